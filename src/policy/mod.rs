//! May they? Asked before anything is done: of an event once it is known to be well formed, of a
//! session before it begins.
pub mod access;
pub mod admission;
pub mod moderation;
pub mod rate_limit;
pub mod roles;
pub mod seats;
