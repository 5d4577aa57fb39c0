//! `room:list`: public rooms somebody has written in, by name.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{domain::id::RoomId, error::Result, state::AppState};

/// Public rooms somebody has written in, by name.
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
    /// Ask again with it; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<RoomId>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Room {
    pub room: RoomId,
    pub head: u64,
}

impl ClientEvent for RoomList {
    const NAME: &'static str = "room:list";
    type Ack = Listed;

    async fn handle(self, _: &Caller, app: &AppState) -> Result<Answer<Listed>> {
        let limit = self.limit.get();
        let names = app.log.rooms(self.cursor.as_ref(), limit).await?;
        let heads = app.log.heads(&names).await?;
        let cursor = names.last().filter(|_| names.len() == limit).cloned();
        let rooms = names
            .into_iter()
            .zip(heads)
            .filter_map(|(room, head)| head.map(|head| Room { room, head: head.seq }))
            .collect();
        Ok(Listed { rooms, cursor }.into())
    }
}
