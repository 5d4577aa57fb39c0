//! `moderation:kick`: sends somebody out of a room, or away; they may come back.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Order};
use crate::{domain::moderation::Deed, error::Result, state::AppState};

/// Moderators: sends somebody out of a room, or away from everywhere; they may come back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationKick(Order);

impl ClientEvent for ModerationKick {
    const NAME: &'static str = "moderation:kick";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(Deed::Kick, caller, app).await?;
        Ok(Done {}.into())
    }
}
