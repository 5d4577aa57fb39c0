//! All tests that run Hubbub's parts from outside, in one binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_inputs;
#[expect(dead_code, reason = "the suites share it, and each uses a part")]
#[path = "../common/mod.rs"]
mod common;
mod contract;
mod door;
mod embedded;
mod harness;
mod native;
mod order;
mod position;
mod presence;
mod restarts;
mod shutdown;
