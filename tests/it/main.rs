//! All tests that run Hubbub's parts from outside, in one binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admission;
mod bad_inputs;
#[expect(dead_code, unused_imports, reason = "the suites share it, and each uses a part")]
#[path = "../common/mod.rs"]
mod common;
mod contract;
mod doctor;
mod door;
mod embedded;
mod frames;
mod harness;
mod joins;
mod limits;
mod load;
mod metrics;
mod moderation;
mod native;
mod order;
mod position;
mod presence;
mod private;
mod restarts;
mod roles;
mod rooms;
mod seats;
mod shutdown;
mod slow;
mod token_keys;
mod tokens;
mod torture;
mod traces;
