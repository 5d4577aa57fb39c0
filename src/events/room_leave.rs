//! `room:leave`: leaves a room; leaving one that was never joined is fine.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done};
use crate::{
    domain::{id::RoomId, room::Place},
    error::Result,
    state::AppState,
};

/// Leaves a room; leaving one that was never joined is fine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomLeave {
    room: RoomId,
}

impl ClientEvent for RoomLeave {
    const NAME: &'static str = "room:leave";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        if caller.connection.is_in(&self.room) {
            app.rooms.leave(&caller.connection, &self.room);
            let place = Place::Room(self.room);
            // Said on purpose, so nobody waits for a return.
            app.presence.leave(&place, &caller.connection.id, false).await;
        }
        Ok(Done {}.into())
    }
}
