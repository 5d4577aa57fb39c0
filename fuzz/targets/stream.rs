//! Frames of a WebSocket, cut up.
#![no_main]
use hubbub::gateway::fuzz;

libfuzzer_sys::fuzz_target!(init: hubbub_fuzz::plant("stream", fuzz::streams()), |bytes: &[u8]| fuzz::stream(bytes));
