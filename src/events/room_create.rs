//! `room:create`: makes a room that is one's own.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_invited::RoomInvited};
use crate::{
    clock,
    domain::{id::RoomId, room::RoomRole},
    error::{Error, Result},
    policy::access,
    state::AppState,
};

/// Who may know of a room, and come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Whoever is invited.
    #[default]
    Private,
}

/// Makes a room, and whoever makes it its owner.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomCreate {
    /// The id of a public room. Of a private one, what its id is to end in, at most 33 characters; it
    /// may be left out.
    #[serde(default)]
    room: Option<RoomId>,
    /// Without it, a private one.
    #[serde(default)]
    visibility: Visibility,
    /// Only the owner and moderators speak.
    #[serde(default)]
    announce: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomCreated {
    /// Join it by this id. That of a private room is long and random: nobody guesses it.
    pub room: RoomId,
}

impl ClientEvent for RoomCreate {
    const NAME: &'static str = "room:create";
    type Ack = RoomCreated;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<RoomCreated>> {
        access::may_speak(&caller.connection)?;
        let announce = self.announce;
        let room = self.id(app)?;
        caller.buckets.contact()?;
        let standing = &caller.connection.standing;
        app.roles.create(&room, announce, (caller.person(), standing)).await?;
        if !room.is_public() {
            let owned = RoomInvited::of(&room, RoomRole::Owner, caller);
            owned.tell(caller.user(), Some(&caller.connection.id), app).await;
        }
        Ok(RoomCreated { room }.into())
    }
}

impl RoomCreate {
    fn id(self, app: &AppState) -> Result<RoomId> {
        if self.visibility == Visibility::Private {
            return clock::new_private_room(self.room.as_ref()).map_err(|_| Error::BadRequest {
                message: "a private room is called by at most 33 characters".to_owned(),
                field: Some("room".to_owned()),
            });
        }
        let Some(room) = self.room else {
            return Err(Error::BadRequest {
                message: "a public room has an id of your choice".to_owned(),
                field: Some("room".to_owned()),
            });
        };
        if !room.is_public() {
            return Err(Error::Reserved);
        }
        if app.config.classic.enabled && app.config.classic.room == room {
            return Err(Error::Conflict("there is such a room already"));
        }
        Ok(room)
    }
}
