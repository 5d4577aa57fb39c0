//! `moderation:revoke`: withdraws what vouches for somebody; they are out within a second.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done, moderation::Withdrawal};
use crate::{error::Result, state::AppState};

/// Admins: withdraws one token, or everything a user was given until now; whoever is in by it is
/// out within a second, on every node, and cannot come back by it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModerationRevoke(Withdrawal);

impl ClientEvent for ModerationRevoke {
    const NAME: &'static str = "moderation:revoke";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        self.0.carry_out(caller, app).await?;
        Ok(Done {}.into())
    }
}
