//! `room:list`: public rooms somebody has written in, and one's own private ones.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{
    domain::{
        id::RoomId,
        room::{Kind, Membership, RoomRole},
    },
    error::Result,
    state::AppState,
};

/// Public rooms somebody has written in, by name; with the first page also the private ones one is
/// in for good.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomList {
    /// From the answer before; without it, from the beginning.
    #[serde(default)]
    cursor: Option<RoomId>,
    #[serde(default)]
    limit: PageSize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    pub rooms: Vec<Room>,
    /// With the first page: private rooms one has a role in, at most `limits.rooms_per_user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mine: Option<Vec<Mine>>,
    /// Ask again with it; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<RoomId>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Room {
    pub room: RoomId,
    pub head: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Mine {
    pub room: RoomId,
    pub head: u64,
    pub role: RoomRole,
    /// Only its owner and moderators speak.
    pub announce: bool,
}

impl ClientEvent for RoomList {
    const NAME: &'static str = "room:list";
    type Ack = Listed;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Listed>> {
        let limit = self.limit.get();
        let names = app.log.rooms(self.cursor.as_ref(), limit).await?;
        let heads = app.log.heads(&names).await?;
        let cursor = names.last().filter(|_| names.len() == limit).cloned();
        let rooms = names
            .into_iter()
            .zip(heads)
            .filter_map(|(room, head)| head.map(|head| Room { room, head: head.seq }))
            .collect();
        let mine = if self.cursor.is_none() { Some(mine(caller, app).await?) } else { None };
        Ok(Listed { rooms, mine, cursor }.into())
    }
}

async fn mine(caller: &Caller, app: &AppState) -> Result<Vec<Mine>> {
    let mut rooms = app.roles.rooms_of(caller.user()).await?;
    rooms.retain(|of| of.room.kind() == Kind::Private);
    let ids: Vec<RoomId> = rooms.iter().map(|of| of.room.clone()).collect();
    let heads = app.log.heads(&ids).await?;
    let mine = rooms.into_iter().zip(heads).map(|(of, head)| {
        let Membership { room, role, announce, .. } = of;
        Mine { room, head: head.map_or(0, |head| head.seq), role, announce }
    });
    Ok(mine.collect())
}
