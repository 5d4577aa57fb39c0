//! `[server]`: the public address, where clients come in.
use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// The name of this node as people see it; empty: made up at each start.
    pub node: String,
    /// Origins whose pages may connect; `["*"]`: any.
    pub origins: Vec<String>,
    /// How long a request's headers may take to arrive.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// How long sent bytes may stay unacknowledged by the peer's kernel before it counts as gone.
    #[serde(with = "humantime_serde")]
    pub user_timeout: Duration,
    /// TCP connections that may wait to be accepted.
    pub backlog: u32,
    /// TCP connections open at once; more wait in the backlog.
    pub max_connections: usize,
}
