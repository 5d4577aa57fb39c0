//! The words all of Hubbub speaks. Pure: no async, no I/O, no clock.
pub mod address;
pub mod durability;
pub mod id;
pub mod message;
pub mod moderation;
pub mod nickname;
pub mod position;
pub mod presence;
pub mod room;
pub mod session;
pub mod trace;
pub mod view;

/// Why a text is not the word it was meant to be; says what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);
