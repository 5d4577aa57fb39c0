//! `message:new`: somebody said something in a room one is in.
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::domain::{
    id::{Epoch, MessageId, RoomId},
    message::Entry,
    presence::Person,
};

/// Somebody said something in a room one is in. One's own comes too, maybe before its ack: match
/// it by `mid`. So messages stand in history.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MessageNew<'a> {
    pub room: &'a RoomId,
    pub epoch: &'a Epoch,
    /// Its number in the room. Apply what follows your last; page what is missing before it.
    pub seq: u64,
    pub mid: &'a MessageId,
    /// When the store took it, ms since 1970. For display; never for order.
    pub ts: u64,
    pub user: &'a Person,
    pub text: &'a str,
}

impl<'a> From<&'a Entry> for MessageNew<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            room: &entry.room,
            epoch: &entry.position.epoch,
            seq: entry.position.seq,
            mid: &entry.mid,
            ts: entry.ts,
            user: &entry.author.person,
            text: entry.text.as_str(),
        }
    }
}

impl ServerEvent for MessageNew<'_> {
    const NAME: &'static str = "message:new";
}

/// Entries as an array of messages.
pub(super) fn messages<S: serde::Serializer>(
    entries: &[Arc<Entry>],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(entries.iter().map(|entry| MessageNew::from(&**entry)))
}
