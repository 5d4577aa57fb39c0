//! `room:invite`: gives somebody a role in a room.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, room_invited::RoomInvited};
use crate::{
    domain::{
        Invalid,
        id::{RoomId, UserId},
        room::RoomRole,
    },
    error::Result,
    policy::access,
    state::AppState,
};

/// A role that can be given.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "RoomRole")]
pub struct Given(RoomRole);

impl TryFrom<RoomRole> for Given {
    type Error = Invalid;
    fn try_from(role: RoomRole) -> Result<Self, Invalid> {
        let says = Invalid("a role is owner, moderator, member or read_only");
        if role == RoomRole::Guest { Err(says) } else { Ok(Self(role)) }
    }
}

impl Default for Given {
    fn default() -> Self {
        Self(RoomRole::Member)
    }
}

/// The owner and moderators: gives somebody a role in a room, which opens a private one to them.
/// Only the owner makes moderators, and hands the room on by making somebody else its owner.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomInvite {
    room: RoomId,
    user: UserId,
    /// Without it, `member`.
    #[serde(default)]
    role: Given,
}

impl ClientEvent for RoomInvite {
    const NAME: &'static str = "room:invite";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        access::may_speak(&caller.connection)?;
        caller.buckets.contact()?;
        let Self { room, user, role: Given(role) } = self;
        let by = (caller.person(), &caller.connection.standing);
        app.roles.give(&room, (&user, Some(role)), by).await?;
        RoomInvited::of(&room, role, caller).tell(&user, None, app).await;
        Ok(Done {}.into())
    }
}
