//! `system:ping`: whether the way to the node and back is open, and what time it is there.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{clock, error::Result, state::AppState};

/// Whether the way to the node and back is open, and what time it is there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemPing {}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Pong {
    /// ms since 1970.
    pub server_time: u64,
    pub node: String,
}

impl ClientEvent for SystemPing {
    const NAME: &'static str = "system:ping";
    type Ack = Pong;

    async fn handle(self, _: &Caller, app: &AppState) -> Result<Answer<Pong>> {
        Ok(Pong { server_time: clock::now_ms(), node: app.node.to_string() }.into())
    }
}
