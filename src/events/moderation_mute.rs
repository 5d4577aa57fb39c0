//! `moderation:mute`: takes somebody the word, in a room or everywhere.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Order};
use crate::{domain::moderation::Deed, error::Result, state::AppState};

/// Moderators: lets somebody listen but not speak, in a room or everywhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationMute(Order);

impl ClientEvent for ModerationMute {
    const NAME: &'static str = "moderation:mute";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(Deed::Mute, caller, app).await?;
        Ok(Done {}.into())
    }
}
