//! What every backend promises: one suite a port, run on each of them.
//!
//! A new backend is an arm in `backend.rs` and a `#[case]` on every test.
mod adapter;
mod log;
mod members;
mod moderation;
mod pages;
mod roles;
mod sessions;

pub(crate) mod backend;
pub(crate) mod words;
