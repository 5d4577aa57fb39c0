//! A token of some kind → an identity, or a refusal.
pub mod guest;
pub mod jwt;
mod key_source;
mod keys;
