//! `[internal]`: the address of probes and scrapers; nothing there is for clients.
use std::net::SocketAddr;

use serde::Deserialize;

use super::Impossible;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// `/livez`, `/readyz` and `/metrics` answer here.
    pub listen: SocketAddr,
    /// Whether `/readyz` says no while the store is away.
    pub ready_needs_store: bool,
}

impl Internal {
    /// Any address will do; that it is not the public one is checked with both at hand.
    pub fn validate(&self) -> Result<(), Impossible> {
        Ok(())
    }
}
