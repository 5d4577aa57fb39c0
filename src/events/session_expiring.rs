//! `session:expiring`: the token is about to end; bring another one by `session:refresh`.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;

/// The token is about to end. Bring another one by `session:refresh`, or be closed then.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionExpiring {
    /// When the connection is closed, in ms from now.
    pub in_ms: u64,
}

impl ServerEvent for SessionExpiring {
    const NAME: &'static str = "session:expiring";
}
