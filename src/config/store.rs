//! `[store]`: what is remembered, where, and for how long.
use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Impossible,
    bounds::{DAY, MINUTE, TEN_YEARS, ms, secs, within},
};
use crate::domain::durability::Durability;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `embedded:PATH`, `memory:`, `redis[s]://…`, `redis[s]-sentinel://…`, `redis[s]-cluster://…`.
    pub url: SecretString,
    /// The file with the certificates that vouch for Redis; empty: those of the system do.
    pub tls_ca: String,
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
    /// What an acknowledged message has to survive.
    pub durability: Demand,
}

/// What an acknowledged message has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Whatever the store is found to give.
    Auto,
    Process,
    Disk,
    Replica,
}

impl Demand {
    /// The level demanded, if one is.
    pub fn level(self) -> Option<Durability> {
        match self {
            Self::Auto => None,
            Self::Process => Some(Durability::Process),
            Self::Disk => Some(Durability::Disk),
            Self::Replica => Some(Durability::Replica),
        }
    }
}

/// What stands behind, as `store.url` says it.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// One file of this node alone.
    Embedded(PathBuf),
    /// The same, and gone at the end.
    Memory,
    /// Standalone, Sentinel or Cluster, with or without TLS: the URL as fred reads it.
    Redis(SecretString),
}

impl Store {
    pub fn validate(&self) -> Result<(), Impossible> {
        self.validate_durability()?;
        if !self.tls_ca.is_empty() && !self.url.expose_secret().starts_with("rediss") {
            let says = "is of no use without TLS: store.url begins with rediss for it";
            return Err(Impossible::new("store.tls_ca", format!("{:?}", self.tls_ca), says));
        }
        within("store.idempotency", self.idempotency, secs(1)..=DAY)?;
        within("store.retention_messages", self.retention_messages, 1..=1_000_000_000)?;
        within("store.retention_age", self.retention_age, Duration::ZERO..=TEN_YEARS)?;
        within("store.command_timeout", self.command_timeout, ms(10)..=MINUTE)
    }

    /// Redis is asked when it is there; a file and the memory always give the same.
    fn validate_durability(&self) -> Result<(), Impossible> {
        let given = match self.parsed()? {
            StoreUrl::Embedded(_) => Durability::Disk,
            StoreUrl::Memory => Durability::None,
            StoreUrl::Redis(_) => return Ok(()),
        };
        match self.durability.level() {
            Some(level) if level > given => {
                let says = format!("is more than this store gives, which is {given}");
                let against = Some("store.url");
                Err(Impossible { against, ..Impossible::new("store.durability", level, says) })
            }
            _ => Ok(()),
        }
    }

    /// What stands behind; a loaded configuration always says something that can.
    pub fn parsed(&self) -> Result<StoreUrl, Impossible> {
        let url = self.url.expose_secret();
        let wrong = |says: &str| Err(Impossible::new("store.url", masked(url), says));
        if let Some(path) = url.strip_prefix("embedded:") {
            return match path {
                "" => {
                    wrong("embedded: needs the path of a file, such as embedded:data/hubbub.redb")
                }
                path => Ok(StoreUrl::Embedded(path.into())),
            };
        }
        if url == "memory:" {
            return Ok(StoreUrl::Memory);
        }
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !REDIS_SCHEMES.contains(&scheme) {
            return wrong(
                "must begin with embedded:, memory:, redis://, redis-sentinel:// or \
                 redis-cluster:// (rediss with TLS)",
            );
        }
        let Some(parts) = Parts::of(url) else {
            return wrong(
                "must be like redis://user:password@host:6379/0, with signs such as @ / ? # in \
                 user and password percent-encoded",
            );
        };
        if scheme.ends_with("-sentinel") && !parts.names_sentinel_service() {
            return wrong("Sentinel needs to know which service: add ?sentinelServiceName=NAME");
        }
        Ok(StoreUrl::Redis(self.url.clone()))
    }

    /// The URL fit to be shown: user and password masked, hosts visible.
    pub fn masked_url(&self) -> String {
        masked(self.url.expose_secret())
    }
}

const REDIS_SCHEMES: [&str; 6] =
    ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];
/// Parameters that are no secret.
const SHOWN_PARAMETERS: [&str; 2] = ["sentinelServiceName", "node"];
const MASK: &str = "***";

/// A URL without user and password. Whatever is not surely something else counts as one of them.
pub(super) fn masked(url: &str) -> String {
    if url == "memory:" || url.starts_with("embedded:") {
        return url.to_owned();
    }
    match (Parts::of(url), url.split_once("://")) {
        (Some(parts), _) => parts.masked(),
        (None, Some((scheme, _))) if REDIS_SCHEMES.contains(&scheme) => {
            format!("{scheme}://{MASK}")
        }
        (None, _) => MASK.to_owned(),
    }
}

/// Whether it holds a user, a password, or something that might be one.
pub(super) fn has_credentials(url: &str) -> bool {
    masked(url).contains(MASK)
}

/// The parts of a Redis URL of whose borders there is no doubt.
struct Parts<'a> {
    scheme: &'a str,
    has_user: bool,
    host: &'a str,
    database: Option<&'a str>,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    /// `None` where a raw `@ / ? #` leaves open what is password and what is host.
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (host, database) = match place.split_once('/') {
            Some((host, database)) => (host, Some(database)),
            None => (place, None),
        };
        let is_clear = REDIS_SCHEMES.contains(&scheme)
            && !query.contains(['@', '#'])
            && !user.is_some_and(|user| user.contains(['@', '/', '#']))
            && is_host(host)
            && database.is_none_or(|d| d.bytes().all(|b| b.is_ascii_digit()))
            && !url.contains(|c: char| c.is_whitespace() || c.is_control());
        let parameters = query.split('&').filter(|pair| !pair.is_empty());
        let parameters =
            parameters.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        is_clear.then_some(Self { scheme, has_user: user.is_some(), host, database, parameters })
    }

    fn names_sentinel_service(&self) -> bool {
        self.parameters
            .iter()
            .any(|(name, value)| *name == "sentinelServiceName" && !value.is_empty())
    }

    fn masked(&self) -> String {
        let user = if self.has_user { format!("{MASK}@") } else { String::new() };
        let database = self.database.map(|d| format!("/{d}")).unwrap_or_default();
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .map(|(name, value)| {
                // Else without its name too, which may be a piece of a password that holds a `?`.
                let is_shown = SHOWN_PARAMETERS.contains(name);
                if is_shown { format!("{name}={value}") } else { MASK.to_owned() }
            })
            .collect();
        let query = if parameters.is_empty() { "" } else { "?" };
        let Self { scheme, host, .. } = self;
        format!("{scheme}://{user}{host}{database}{query}{}", parameters.join("&"))
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn is_host(text: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p)));
    !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(url: &str) -> Store {
        Store { url: url.into(), ..crate::config::Config::built_in().store }
    }

    #[test]
    fn every_kind_of_store_is_known_by_its_url() {
        let StoreUrl::Embedded(path) = store("embedded:/data/h.redb").parsed().unwrap() else {
            panic!("an embedded store");
        };
        assert_eq!(path, PathBuf::from("/data/h.redb"));
        assert!(matches!(store("memory:").parsed(), Ok(StoreUrl::Memory)));
        for url in [
            "redis://localhost",
            "rediss://u:p%40q@[::1]:6379/3",
            "redis-sentinel://:p@a:26379?sentinelServiceName=main&node=b:26379",
            "rediss-sentinel://a?sentinelServiceName=main&sentinelPassword=x",
            "redis-cluster://a:1?node=b:2&node=c:3",
            "rediss-cluster://u:p@a",
        ] {
            assert!(matches!(store(url).parsed(), Ok(StoreUrl::Redis(_))), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_is_refused_with_what_would_be() {
        for (url, says) in [
            ("embedded:", "needs the path"),
            ("memory:x", "must begin with"),
            ("", "must begin with"),
            ("postgres://u:p@h", "must begin with"),
            ("redis://", "must be like"),
            ("redis://h:port", "must be like"),
            ("redis://:a/b@h", "percent-encoded"),
            ("redis-sentinel://h", "?sentinelServiceName=NAME"),
            ("rediss-sentinel://h?sentinelServiceName=", "?sentinelServiceName=NAME"),
        ] {
            let refused = store(url).parsed().unwrap_err().to_string();
            assert!(refused.contains(says), "{url}: {refused}");
        }
    }

    #[test]
    fn a_masked_url_shows_its_host_and_never_its_password() {
        for (url, shown) in [
            ("redis://user:hunter2@redis.example:6379/1", "redis://***@redis.example:6379/1"),
            ("rediss://:hunter2@h", "rediss://***@h"),
            (
                "redis-sentinel://u:hunter2@h?sentinelServiceName=s&sentinelPassword=hunter2",
                "redis-sentinel://***@h?sentinelServiceName=s&***",
            ),
            ("redis-cluster://h:1?node=i:2", "redis-cluster://h:1?node=i:2"),
            ("embedded:data/h.redb", "embedded:data/h.redb"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn a_password_with_raw_signs_in_it_is_masked_with_all_around_it() {
        for sign in ["/", "?", "#", "@", "?node=", "/x?", "@h?", " ", "\n", "://", "&", "="] {
            for url in [
                format!("redis://u:hunter2{sign}hunter2@h"),
                format!("redis://hunter2{sign}hunter2:p@h/hunter2"),
                format!("redis://h?sentinelPassword=hunter2{sign}hunter2"),
                format!("postgres://u:hunter2{sign}@h"),
                format!("hunter2{sign}hunter2"),
            ] {
                assert!(!masked(&url).contains("hunter2"), "{url:?} shows as {}", masked(&url));
            }
        }
    }
}
