//! `[auth]`: who may come in.
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Impossible,
    bounds::{TEN_YEARS, secs, within},
};

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

/// The shortest key for HMAC-SHA-256 that does not weaken it (RFC 2104, section 3).
const SHORTEST_KEY: usize = 32;

impl Auth {
    pub fn validate(&self) -> Result<(), Impossible> {
        let bytes = self.guest_key.expose_secret().len();
        if (1..SHORTEST_KEY).contains(&bytes) {
            let says = format!("must be empty or at least {SHORTEST_KEY} bytes, and has {bytes}");
            return Err(Impossible::new("auth.guest_key", "***", says));
        }
        within("auth.guest_lifetime", self.guest_lifetime, secs(1)..=TEN_YEARS)?;
        if self.reserved_names.iter().any(|name| name.trim().is_empty()) {
            let given = format!("{:?}", self.reserved_names);
            return Err(Impossible::new(
                "auth.reserved_names",
                given,
                "must not hold an empty name",
            ));
        }
        Ok(())
    }
}
