//! `typing:start`: says that one is typing; forgotten after six seconds unless said again.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done};
use crate::{domain::id::RoomId, error::Result, policy::access, state::AppState};

/// Says that one is typing; forgotten after six seconds unless said again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypingStart {
    room: RoomId,
}

impl ClientEvent for TypingStart {
    const NAME: &'static str = "typing:start";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        access::may_write_in(&self.room, &caller.connection)?;
        if caller.buckets.begins_typing(&self.room) {
            app.rooms.tell_typing(&self.room, caller.person(), true).await?;
        }
        Ok(Done {}.into())
    }
}
