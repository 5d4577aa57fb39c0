//! `typing`: who is typing in a room now, as a whole set; it replaces the one before.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::domain::{id::RoomId, presence::Person};

/// Who is typing in a room now, as a whole set; it replaces the one before.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Typing<'a> {
    pub room: &'a RoomId,
    /// At most five.
    pub users: &'a [Person],
    /// How many more.
    pub more: usize,
}

impl ServerEvent for Typing<'_> {
    const NAME: &'static str = "typing";
}
