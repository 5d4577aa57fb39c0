//! The Redis backend against real servers: what only it can get wrong. What every backend
//! promises is in the contract suite.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/acl.rs"]
mod acl;
mod cluster;
mod durability;
mod hearing;
mod log;
mod members;
mod outage;
#[path = "../it/harness/port.rs"]
mod port;
mod rights;
mod server;
#[path = "../it/harness/stopwatch.rs"]
mod stopwatch;
mod world;
