//! `moderation:unban`: lets somebody in again.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Order};
use crate::{domain::moderation::Deed, error::Result, state::AppState};

/// Moderators: lets somebody in again who was banned in the same place under the same word.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationUnban(Order);

impl ClientEvent for ModerationUnban {
    const NAME: &'static str = "moderation:unban";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(Deed::Unban, caller, app).await?;
        Ok(Done {}.into())
    }
}
