//! `direct:open`: the conversation with one other user, begun where there is none yet.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_invited::RoomInvited};
use crate::{
    domain::{
        id::{RoomId, UserId},
        room::RoomRole,
    },
    error::{Error, Result},
    policy::access,
    state::AppState,
};

/// The conversation with one other user, which only these two can see. It is begun where there is
/// none yet; all other devices of both are told so by `room:invited`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectOpen {
    user: UserId,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct DirectOpened {
    /// Join it by this id: the same for both, whoever asks.
    pub room: RoomId,
}

impl ClientEvent for DirectOpen {
    const NAME: &'static str = "direct:open";
    type Ack = DirectOpened;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<DirectOpened>> {
        access::may_speak(&caller.connection)?;
        if self.user == *caller.user() {
            return Err(Error::BadRequest {
                message: "a conversation is with somebody else".to_owned(),
                field: Some("user".to_owned()),
            });
        }
        caller.buckets.contact()?;
        let (room, is_new) = app.roles.open_direct(caller.person(), &self.user).await?;
        if is_new {
            let begun = RoomInvited::of(&room, RoomRole::Member, caller);
            begun.tell(&self.user, None, app).await;
            let own = RoomInvited { with: Some(self.user), ..begun };
            own.tell(caller.user(), Some(&caller.connection.id), app).await;
        }
        Ok(DirectOpened { room }.into())
    }
}
