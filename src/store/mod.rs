//! What is remembered: the ports, and the backends behind them.
//!
//! A backend is a folder with the same file names as the ports beside it. `store.url` chooses it,
//! `app.rs` opens it, and `tests/it/contract/` runs one suite on each.
pub mod embedded;
pub mod log;
pub mod members;
pub mod moderation;
pub mod redis;
pub mod roles;
pub mod sessions;
pub mod trouble;
