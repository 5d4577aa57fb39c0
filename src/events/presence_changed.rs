//! `presence:changed`: users came into a room one is in, left it, or go by another name.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::domain::{
    id::RoomId,
    presence::{Diff, Person},
};

/// Above this many in the room only the count is told: a diff for everybody would be a flood.
const NAMED_UP_TO: u64 = 500;

/// Users came into a room one is in, left it, or go by another name.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PresenceChanged<'a> {
    pub room: &'a RoomId,
    pub joined: &'a [Person],
    pub left: &'a [Person],
    pub changed: &'a [Person],
    /// Users in the room now.
    pub count: u64,
}

impl<'a> PresenceChanged<'a> {
    pub fn new(room: &'a RoomId, diff: &'a Diff) -> Self {
        let few = diff.count <= NAMED_UP_TO;
        let named = |people: &'a Vec<Person>| if few { people.as_slice() } else { &[] };
        Self {
            room,
            joined: named(&diff.joined),
            left: named(&diff.left),
            changed: named(&diff.changed),
            count: diff.count,
        }
    }
}

impl ServerEvent for PresenceChanged<'_> {
    const NAME: &'static str = "presence:changed";
}
