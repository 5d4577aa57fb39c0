//! `moderation:record`: what was done, by whom and why.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{
    domain::{id::RoomId, moderation::Act},
    error::Result,
    state::AppState,
};

/// Admins, and of a room its owner and moderators: every act of moderation, newest first; the last 10,000 of each room, and of those that
/// were everywhere, are kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModerationRecord {
    /// Without it, what was done everywhere.
    #[serde(default)]
    room: Option<RoomId>,
    #[serde(default)]
    limit: PageSize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Record {
    pub acts: Vec<Act>,
}

impl ClientEvent for ModerationRecord {
    const NAME: &'static str = "moderation:record";
    type Ack = Record;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Record>> {
        app.roles.may_read_record(self.room.as_ref(), &caller.connection).await?;
        let acts = app.moderation.record(self.room.as_ref(), self.limit.get()).await?;
        Ok(Record { acts }.into())
    }
}
