//! `moderation:unmute`: lets somebody speak again.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Order};
use crate::{domain::moderation::Deed, error::Result, state::AppState};

/// Moderators: lets somebody speak again who was muted in the same place under the same word.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationUnmute(Order);

impl ClientEvent for ModerationUnmute {
    const NAME: &'static str = "moderation:unmute";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(Deed::Unmute, caller, app).await?;
        Ok(Done {}.into())
    }
}
