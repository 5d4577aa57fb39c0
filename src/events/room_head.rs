//! `room:head`: where a room's log ends; whoever is behind fetches. It catches a lost last message.
use serde::Serialize;

use super::ServerEvent;
use crate::domain::id::{Epoch, MessageId, RoomId};

#[derive(Debug, Serialize)]
pub struct RoomHead<'a> {
    pub room: &'a RoomId,
    pub epoch: &'a Epoch,
    pub seq: u64,
    pub mid: Option<&'a MessageId>,
}

impl ServerEvent for RoomHead<'_> {
    const NAME: &'static str = "room:head";
}
