//! `[auth]`: who may come in.
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Anyone, under a name of their choice.
    Guest,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub mode: Mode,
    /// Signs guest sessions; empty: made once and kept in the store, so that all nodes share it.
    pub guest_key: SecretString,
    /// For how long a guest can come back under the same identity.
    #[serde(with = "humantime_serde")]
    pub guest_lifetime: Duration,
    /// Names nobody may take, nor anything that reads like them.
    pub reserved_names: Vec<String>,
}
