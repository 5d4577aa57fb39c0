//! `session:ready`: the first thing said on every connection: who one is, where, and what is allowed.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::{
    config::Config,
    domain::{
        durability::Durability, id::ConnectionId, message::LONGEST_TEXT, room::Membership,
        session::Identity,
    },
    store::log::LONGEST_PAGE,
};

/// The first thing said on every connection: who one is, where, and what is allowed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionReady<'a> {
    /// Brings the same user back: send it in `auth.session` when connecting again. Absent where
    /// tokens are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    pub user: &'a Identity,
    /// This connection's public id.
    pub connection: &'a ConnectionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<&'a str>,
    pub node: &'a str,
    /// What a message survives once it is acknowledged.
    pub durability: Durability,
    pub limits: Limits,
    /// ms since 1970.
    pub server_time: u64,
    /// When the connection is closed unless `session:refresh` brings another token, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The private rooms and direct conversations one is in for good; join them to hear them. Absent:
    /// the store could not say; ask `room:list` and `direct:list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms: Option<&'a [Membership]>,
}

/// What one connection may do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Limits {
    /// Characters.
    pub text: usize,
    /// Bytes.
    pub event: u64,
    /// Messages.
    pub page: usize,
    pub rooms: usize,
    /// Messages a second in the long run.
    pub message_rate: u32,
    /// Messages at once.
    pub message_burst: u32,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            text: LONGEST_TEXT,
            event: config.engine.max_event.as_u64(),
            page: LONGEST_PAGE,
            rooms: config.limits.rooms_per_connection,
            message_rate: config.limits.message_rate.get(),
            message_burst: config.limits.message_burst.get(),
        }
    }
}

impl ServerEvent for SessionReady<'_> {
    const NAME: &'static str = "session:ready";
}
