//! `direct:list`: one's direct conversations.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{
    domain::{
        id::{RoomId, UserId},
        room::Kind,
    },
    error::Result,
    state::AppState,
};

/// One's direct conversations, at most `limits.rooms_per_user` of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectList {}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Conversations {
    pub conversations: Vec<Conversation>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Conversation {
    pub room: RoomId,
    pub with: UserId,
    /// The number of the last message; 0: there is none.
    pub head: u64,
}

impl ClientEvent for DirectList {
    const NAME: &'static str = "direct:list";
    type Ack = Conversations;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Conversations>> {
        let mut rooms = app.roles.rooms_of(caller.user()).await?;
        rooms.retain(|of| of.room.kind() == Kind::Direct);
        let ids: Vec<RoomId> = rooms.iter().map(|of| of.room.clone()).collect();
        let heads = app.log.heads(&ids).await?;
        let conversations = rooms.into_iter().zip(heads).filter_map(|(of, head)| {
            let head = head.map_or(0, |head| head.seq);
            Some(Conversation { room: of.room, with: of.with?, head })
        });
        Ok(Conversations { conversations: conversations.collect() }.into())
    }
}
