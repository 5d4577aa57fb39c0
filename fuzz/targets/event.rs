//! The arguments of an event, as they stand in a frame: for every event there is.
#![no_main]
use hubbub::gateway::fuzz;

libfuzzer_sys::fuzz_target!(init: hubbub_fuzz::plant("event", fuzz::texts()), |text: &str| fuzz::event(text));
