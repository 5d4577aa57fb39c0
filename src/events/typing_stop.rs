//! `typing:stop`: says that one has stopped typing.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done};
use crate::{domain::id::RoomId, error::Result, policy::access, state::AppState};

/// Says that one has stopped typing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypingStop {
    room: RoomId,
}

impl ClientEvent for TypingStop {
    const NAME: &'static str = "typing:stop";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        access::member_of(&self.room, &caller.connection)?;
        if caller.buckets.stops_typing(&self.room) {
            app.rooms.tell_typing(&self.room, caller.person(), false).await?;
        }
        Ok(Done {}.into())
    }
}
