//! `[internal]`: the address of probes and scrapers; nothing there is for clients.
use std::net::SocketAddr;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// `/livez`, `/readyz` and `/metrics` answer here.
    pub listen: SocketAddr,
}
