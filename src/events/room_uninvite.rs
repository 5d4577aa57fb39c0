//! `room:uninvite`: takes somebody's role in a room away, or one's own.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done};
use crate::{
    domain::id::{RoomId, UserId},
    error::Result,
    state::AppState,
};

/// The owner and moderators: takes somebody's role in a room away; a private one they are sent out
/// of, on every device. Anybody but the owner: gives up one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomUninvite {
    room: RoomId,
    user: UserId,
}

impl ClientEvent for RoomUninvite {
    const NAME: &'static str = "room:uninvite";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        caller.buckets.contact()?;
        let by = (caller.person(), &caller.connection.standing);
        app.roles.give(&self.room, (&self.user, None), by).await?;
        Ok(Done {}.into())
    }
}
