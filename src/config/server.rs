//! `[server]`: the public address, where clients come in.
use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use serde::Deserialize;

use super::{
    Impossible,
    bounds::{HOUR, MINUTE, ms, secs, within},
};
use crate::domain::{Invalid, address::Network};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// The name of this node as people see it; empty: made up at each start.
    pub node: String,
    /// Origins whose pages may connect; `["*"]`: any.
    pub origins: Vec<String>,
    /// Networks of proxies whose word on where a client comes from is taken.
    pub trusted_proxies: Vec<String>,
    /// Names clients may call this server by; empty: any.
    pub hosts: Vec<String>,
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
    /// Sessions open at once; one more is refused.
    pub max_sessions: usize,
    /// New sessions a second and processor core, in the long run; more are refused.
    pub session_rate: NonZeroU32,
    /// New sessions at once, before the rate counts.
    pub session_burst: NonZeroU32,
}

impl Server {
    pub fn validate(&self) -> Result<(), Impossible> {
        if !is_name(&self.node) {
            let says = "must be empty, or up to 64 of A-Z, a-z, 0-9, _, - and dots";
            return Err(Impossible::new("server.node", format!("{:?}", self.node), says));
        }
        if let Some(says) = wrong_with_origins(&self.origins) {
            return Err(Impossible::new("server.origins", format!("{:?}", self.origins), says));
        }
        if let Err(Invalid(says)) = self.proxies() {
            let given = format!("{:?}", self.trusted_proxies);
            return Err(Impossible::new("server.trusted_proxies", given, says));
        }
        if !self.hosts.iter().all(|host| is_host(host)) {
            let says = "must be names or addresses without a port, such as chat.example.org";
            return Err(Impossible::new("server.hosts", format!("{:?}", self.hosts), says));
        }
        within("server.header_timeout", self.header_timeout, ms(100)..=10 * MINUTE)?;
        within("server.user_timeout", self.user_timeout, secs(1)..=HOUR)?;
        within("server.backlog", self.backlog, 1..=65_535)?;
        within("server.max_connections", self.max_connections, 1..=1_000_000)?;
        within("server.max_sessions", self.max_sessions, 1..=1_000_000)?;
        within("server.session_rate", self.session_rate.get(), 1..=1_000_000)?;
        within("server.session_burst", self.session_burst.get(), 1..=1_000_000)
    }
}

impl Server {
    /// The networks of trusted proxies; a loaded configuration always holds some that can be.
    pub fn proxies(&self) -> Result<Vec<Network>, Invalid> {
        self.trusted_proxies.iter().map(|network| network.parse()).collect()
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn wrong_with_origins(origins: &[String]) -> Option<&'static str> {
    if origins.is_empty() {
        return Some("must name at least one origin, or [\"*\"] for any");
    }
    if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
        return Some("\"*\" means any, and stands alone");
    }
    (!origins.iter().all(|origin| origin == "*" || is_origin(origin)))
        .then_some("must be like https://chat.example.org or http://localhost:8080, without a path")
}

/// As a browser sends it: lower case, no path, no slash at the end.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b))
    })
}
