//! `room:members`: who is in a room one has joined, by user id.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{
    domain::{
        id::{RoomId, UserId},
        presence::Person,
        room::Place,
    },
    error::Result,
    policy::access,
    state::AppState,
};

/// Who is in a room one has joined, by user id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomMembers {
    room: RoomId,
    /// From the answer before; without it, from the beginning.
    #[serde(default)]
    cursor: Option<UserId>,
    #[serde(default)]
    limit: PageSize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Members {
    pub members: Vec<Person>,
    /// Ask again with it; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    pub count: u64,
}

impl ClientEvent for RoomMembers {
    const NAME: &'static str = "room:members";
    type Ack = Members;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Members>> {
        access::member_of(&self.room, &caller.connection)?;
        let place = Place::Room(self.room);
        let cursor = self.cursor.as_ref().map(UserId::as_str);
        let people = app.presence.people(&place, cursor, self.limit.get()).await?;
        let members =
            Members { members: people.people, cursor: people.cursor, count: people.count };
        Ok(members.into())
    }
}
