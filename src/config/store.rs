//! `[store]`: what is remembered, where, and for how long.
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `embedded:PATH`, `memory:`, `redis[s]://…`, `redis[s]-sentinel://…`, `redis[s]-cluster://…`.
    pub url: SecretString,
    /// For how long a retried message is recognised.
    #[serde(with = "humantime_serde")]
    pub idempotency: Duration,
    /// Messages kept per room.
    pub retention_messages: u64,
    /// For how long a message is kept; `0s`: for ever.
    #[serde(with = "humantime_serde")]
    pub retention_age: Duration,
    /// How long one command to Redis may take.
    #[serde(with = "humantime_serde")]
    pub command_timeout: Duration,
}
