//! `message:new`: somebody said something in a room one is in.
use serde::Serialize;

use super::ServerEvent;
use crate::domain::{
    id::{Epoch, MessageId, RoomId},
    message::Entry,
    presence::Person,
};

/// A message as native clients see it, live and in history.
#[derive(Debug, Serialize)]
pub struct MessageNew<'a> {
    pub room: &'a RoomId,
    pub epoch: &'a Epoch,
    pub seq: u64,
    pub mid: &'a MessageId,
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
pub(super) fn messages<S: serde::Serializer>(entries: &[Entry], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(entries.iter().map(MessageNew::from))
}
