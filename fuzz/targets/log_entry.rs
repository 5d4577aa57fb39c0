//! What lies in a log, and what nodes tell each other.
#![no_main]
use hubbub::gateway::fuzz;

libfuzzer_sys::fuzz_target!(init: hubbub_fuzz::plant("log_entry", fuzz::texts()), |text: &str| fuzz::log_entry(text));
