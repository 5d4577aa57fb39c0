//! `room:invited`: one has a role in a room now; join it to hear it.
use schemars::JsonSchema;
use serde::Serialize;

use super::{Caller, ServerEvent};
use crate::{
    adapter::{Audience, Told},
    domain::{
        id::{ConnectionId, RoomId, UserId},
        presence::Person,
        room::{Kind, RoomRole},
        view::View,
    },
    state::AppState,
};

/// One has a role in a room now, or another one; join it to hear it. Told at most once: the rooms
/// one is in for good are in `session:ready`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomInvited<'a> {
    pub room: &'a RoomId,
    pub role: RoomRole,
    pub by: Person,
    /// Of a direct conversation: with whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
}

impl ServerEvent for RoomInvited<'_> {
    const NAME: &'static str = "room:invited";
}

impl<'a> RoomInvited<'a> {
    pub fn of(room: &'a RoomId, role: RoomRole, by: &Caller) -> Self {
        let by = by.person();
        let with = (room.kind() == Kind::Direct).then(|| by.id.clone());
        Self { room, role, by, with }
    }

    /// Tells every device of a user, on every node, but for one. That it could not be told is no
    /// reason to fail: it has happened.
    pub async fn tell(&self, user: &UserId, but: Option<&ConnectionId>, app: &AppState) {
        let to = Audience::User(user.clone());
        let told = match Told::new(to, View::NATIVE, Self::NAME, self) {
            Ok(told) => app.adapter.tell(vec![Told { except: but.cloned(), ..told }]).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "somebody finds a room of theirs later");
        }
    }
}
