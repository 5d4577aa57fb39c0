//! `message:send`: says something in a room one has joined.
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, say::say};
use crate::{
    domain::{
        id::{Epoch, MessageId, RoomId},
        message::{Message, MessageText},
    },
    error::Result,
    policy::access,
    state::AppState,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageSend {
    room: RoomId,
    text: MessageText,
    /// Made once per message; a retry carries the same.
    mid: MessageId,
}

/// The message is in the log, as durably as the store is configured to be.
#[derive(Debug, Serialize)]
pub struct MessageSent {
    pub epoch: Epoch,
    pub seq: u64,
    pub mid: MessageId,
    pub ts: u64,
    pub dup: bool,
}

impl ClientEvent for MessageSend {
    const NAME: &'static str = "message:send";
    type Ack = MessageSent;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<MessageSent>> {
        access::member_of(&self.room, &caller.connection)?;
        caller.buckets.message()?;
        let message = Message {
            room: self.room,
            mid: self.mid,
            author: caller.author(),
            text: self.text.into(),
        };

        let said = say(&message, app).await?;

        caller.buckets.stops_typing(&message.room);
        app.metrics.acked.add(1, &[]);
        let sent = MessageSent {
            epoch: said.position.epoch,
            seq: said.position.seq,
            mid: message.mid,
            ts: said.ts,
            dup: said.dup,
        };
        Ok(sent.into())
    }
}
