//! `moderation:list`: what holds now, in a room or everywhere.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{
    domain::{id::RoomId, moderation::Act},
    error::Result,
    state::AppState,
};

/// Moderators: the bans, mutes and revocations that hold now, newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModerationList {
    /// Without it, those that hold everywhere.
    #[serde(default)]
    room: Option<RoomId>,
    #[serde(default)]
    limit: PageSize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Measures {
    pub acts: Vec<Act>,
    /// How many there are in all.
    pub count: usize,
}

impl ClientEvent for ModerationList {
    const NAME: &'static str = "moderation:list";
    type Ack = Measures;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Measures>> {
        app.roles.may_moderate(self.room.as_ref(), &caller.connection).await?;
        let mut acts = app.moderation.laid(self.room.as_ref()).await?;
        let count = acts.len();
        acts.sort_by_key(|act| std::cmp::Reverse(act.at));
        acts.truncate(self.limit.get());
        Ok(Measures { acts, count }.into())
    }
}
