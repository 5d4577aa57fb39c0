//! `message:history`: reads a room's log, a page at a time, in either direction.
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Answer, Caller, ClientEvent,
    message_new::{self, MessageNew},
    room_join::PageSize,
};
use crate::{
    domain::{
        id::{Epoch, RoomId},
        message::Entry,
        position::Seq,
    },
    error::{Error, Result},
    policy::access,
    rooms::Past,
    state::AppState,
    store::log::Range,
};

/// Reads a room's log, a page at a time, in either direction.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageHistory {
    room: RoomId,
    /// What precedes this number. At most one of the three; none: the newest page.
    #[serde(default)]
    before: Option<Seq>,
    /// What follows this number.
    #[serde(default)]
    after: Option<Seq>,
    /// Half before it, half from it on.
    #[serde(default)]
    around: Option<Seq>,
    #[serde(default)]
    limit: PageSize,
}

/// A page in rising order. It is authoritative: a number that is missing in it is no more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct History {
    #[serde(serialize_with = "page")]
    #[schemars(with = "Vec<MessageNew<'static>>")]
    pub messages: Vec<Arc<Entry>>,
    pub epoch: Option<Epoch>,
    /// The oldest number still kept.
    pub first: u64,
    /// The number of the last message.
    pub head: u64,
    pub more_before: bool,
    pub more_after: bool,
}

impl ClientEvent for MessageHistory {
    const NAME: &'static str = "message:history";
    type Ack = History;
    const IS_ASKED_AT_ONCE: bool = true;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<History>> {
        let range = self.range()?;
        access::member_of(&self.room, &caller.connection)?;
        caller.buckets.page()?;
        let page = self.read(range, caller, app).await?;
        let history = History {
            messages: page.entries,
            head: page.head.as_ref().map_or(0, |head| head.seq),
            epoch: page.head.map(|head| head.epoch),
            first: page.first,
            more_before: page.more_before,
            more_after: page.more_after,
        };
        Ok(history.into())
    }
}

impl MessageHistory {
    async fn read(&self, range: Range, caller: &Caller, app: &AppState) -> Result<Past> {
        let limit = self.limit.get();
        if let Range::After(seq) = range
            && let Some(page) = app.rooms.catch_up(&caller.connection, &self.room, seq, limit).await
        {
            return page;
        }
        Ok(app.log.page(&self.room, range, limit).await?.into())
    }

    fn range(&self) -> Result<Range> {
        match (self.before, self.after, self.around) {
            (None, None, None) => Ok(Range::Newest),
            (Some(seq), None, None) => Ok(Range::Before(seq.get())),
            (None, Some(seq), None) => Ok(Range::After(seq.get())),
            (None, None, Some(seq)) => Ok(Range::Around(seq.get())),
            _ => Err(Error::bad_request("give at most one of before, after and around")),
        }
    }
}

#[expect(clippy::ptr_arg, reason = "serde hands over the field itself")]
pub(super) fn page<S: serde::Serializer>(
    entries: &Vec<Arc<Entry>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    message_new::messages(entries, to)
}
