//! `moderation:ban`: sends somebody out, and lets them in no more, for a time or for ever.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Order};
use crate::{domain::moderation::Deed, error::Result, state::AppState};

/// Moderators: sends somebody out of a room, or away, and lets them in no more, for a time or for
/// ever.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationBan(Order);

impl ClientEvent for ModerationBan {
    const NAME: &'static str = "moderation:ban";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(Deed::Ban, caller, app).await?;
        Ok(Done {}.into())
    }
}
