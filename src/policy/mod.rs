//! May they? Asked after an event is known to be well formed, before anything is done.
pub mod access;
pub mod rate_limit;
