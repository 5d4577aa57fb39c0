//! `room:head`: where a room's log ends; whoever is behind fetches. It catches a lost last message.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::domain::id::{Epoch, MessageId, RoomId};

/// Where a room's log ends; whoever is behind fetches with `message:history`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomHead<'a> {
    pub room: &'a RoomId,
    pub epoch: &'a Epoch,
    pub seq: u64,
    pub mid: Option<&'a MessageId>,
}

impl ServerEvent for RoomHead<'_> {
    const NAME: &'static str = "room:head";
}
