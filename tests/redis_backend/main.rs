//! The Redis backend against real servers: what only it can get wrong. What every backend
//! promises is in the contract suite.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cluster;
#[expect(dead_code, unused_imports, reason = "the suites share it, and each uses a part")]
#[path = "../common/mod.rs"]
mod common;
mod durability;
mod hearing;
mod log;
mod members;
mod outage;
mod rights;
mod roles;
mod server;
mod tls;
mod world;
