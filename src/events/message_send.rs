//! `message:send`: says something in a room one has joined.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, say::say};
use crate::{
    domain::{
        id::{Epoch, MessageId, RoomId},
        message::{Message, MessageText},
        trace::TraceParent,
    },
    error::Result,
    policy::access,
    state::AppState,
    telemetry::traces,
};

/// Says something in a room one has joined.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageSend {
    room: RoomId,
    text: MessageText,
    /// Made once per message; a retry carries the same.
    mid: MessageId,
    /// Where in a trace of yours it is said; its delivery is then part of that trace.
    #[serde(default)]
    traceparent: Option<TraceParent>,
}

/// The message is in the log, as durably as the store is configured to be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MessageSent {
    /// Which lineage `seq` belongs to.
    pub epoch: Epoch,
    /// Its number in the room: 1 and up, in the order everybody sees.
    pub seq: u64,
    pub mid: MessageId,
    /// When the store took it, ms since 1970. For display; never for order.
    pub ts: u64,
    /// It had been sent before, and this is that one.
    pub dup: bool,
}

impl ClientEvent for MessageSend {
    const NAME: &'static str = "message:send";
    type Ack = MessageSent;

    fn traceparent(&self) -> Option<&TraceParent> {
        self.traceparent.as_ref()
    }

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<MessageSent>> {
        {
            let _span = traces::part("policy");
            access::member_of(&self.room, &caller.connection)?;
            access::may_speak(&caller.connection)?;
            caller.buckets.message()?;
        }
        let message = Message {
            room: self.room,
            mid: self.mid,
            author: caller.author(),
            text: self.text.into(),
            terms: caller.terms(),
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
