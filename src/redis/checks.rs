//! Whether a Redis keeps what it is given. Looked at on each connect: a server may be another one
//! after a failover.
use std::collections::HashMap;

use fred::{
    error::{Error as Failure, ErrorKind},
    prelude::{Client, ClientLike, ClusterInterface, Options, Server, Value},
    types::{ClusterHash, CustomCommand, InfoKind},
};

use crate::domain::durability::Durability;

/// The oldest major version with sharded pub/sub.
const OLDEST: u64 = 7;
/// What is asked for.
const SETTINGS: [&str; 6] =
    ["GET", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "min-replicas-to-write"];

/// What is known of a Redis; of a cluster, of its weakest primary.
pub(super) struct Found {
    /// The version, if it lacks what is needed.
    pub(super) too_old: Option<String>,
    pub(super) durability: Durability,
    /// Every primary refuses writes that no replica would take.
    replicated: bool,
    /// What endangers messages that were acknowledged, one sentence each.
    pub(super) dangers: Vec<String>,
}

impl Found {
    /// Why it does not give this level; `None` also where it may not be asked.
    pub(super) fn misses(&self, level: Durability) -> Option<&'static str> {
        let found = self.durability;
        match level {
            _ if found == Durability::Unknown => None,
            _ if found == Durability::None => Some("it has appendonly off; set appendonly yes"),
            Durability::Disk if found < Durability::Disk => {
                Some("it has another appendfsync than always")
            }
            Durability::Replica if !self.replicated => Some(
                "it has min-replicas-to-write 0, so a primary cut off from its replicas goes on",
            ),
            _ => None,
        }
    }
}

/// Asks every primary. An error means that it does not answer (yet).
pub(super) async fn examine(client: &Client) -> Result<Found, Failure> {
    client.ping::<Value>(None).await?;
    let mut found = Found {
        too_old: None,
        durability: Durability::Disk,
        replicated: true,
        dangers: Vec::new(),
    };
    for server in primaries(client) {
        let named = server.as_ref().map_or_else(|| "Redis".to_owned(), ToString::to_string);
        let to = Options { cluster_node: server, ..Options::default() };
        match version(client, &to).await? {
            Some(version) if is_too_old(&version) => found.too_old = Some(version),
            Some(_) => {}
            None => found.durability = Durability::Unknown,
        }
        let Some(config) = configuration(client, &to).await? else {
            found.durability = Durability::Unknown;
            continue;
        };
        found.durability = found.durability.min(durability(&config));
        found.replicated &= config.get("min-replicas-to-write").is_none_or(|n| n != "0");
        found.dangers.extend(dangers(&config).iter().map(|danger| format!("{named} {danger}")));
    }
    Ok(found)
}

/// Whom to ask: every primary of a cluster, else the one there is.
fn primaries(client: &Client) -> Vec<Option<Server>> {
    let cluster = client.is_clustered().then(|| client.cached_cluster_state()).flatten();
    match cluster {
        Some(state) => state.unique_primary_nodes().into_iter().map(Some).collect(),
        None => vec![None],
    }
}

async fn version(client: &Client, to: &Options) -> Result<Option<String>, Failure> {
    let info = client.with_options(to).info::<String>(Some(InfoKind::Server)).await;
    Ok(if_allowed(info)?.and_then(|info| {
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
        Some(line.trim().to_owned())
    }))
}

async fn configuration(
    client: &Client,
    to: &Options,
) -> Result<Option<HashMap<String, String>>, Failure> {
    let get = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
    if_allowed(client.with_options(to).custom(get, SETTINGS.to_vec()).await)
}

/// `None` where an ACL, or a host that renamed the command, says no.
fn if_allowed<T>(reply: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match reply {
        Ok(value) => Ok(Some(value)),
        Err(f) if f.details().starts_with("NOPERM") || f.details().contains("unknown command") => {
            Ok(None)
        }
        Err(f) if *f.kind() == ErrorKind::Parse => Ok(None),
        Err(f) => Err(f),
    }
}

fn is_too_old(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|m: u64| m < OLDEST)
}

/// What its answer alone is worth.
fn durability(config: &HashMap<String, String>) -> Durability {
    let text = |name: &str| config.get(name).map(String::as_str);
    match (text("appendonly"), text("appendfsync")) {
        (Some("no"), _) => Durability::None,
        (Some("yes"), Some("always")) => Durability::Disk,
        (Some("yes"), Some(_)) => Durability::Process,
        _ => Durability::Unknown,
    }
}

/// What endangers messages that were acknowledged; each follows the server's name.
fn dangers(config: &HashMap<String, String>) -> Vec<&'static str> {
    let is = |name: &str, value: &str| config.get(name).is_some_and(|v| v == value);
    let mut dangers = Vec::new();
    if is("appendonly", "no") {
        dangers.push(
            "has appendonly off: a crash or a restart loses every message and member since its \
             last snapshot; set appendonly yes",
        );
    } else if is("appendfsync", "no") {
        dangers.push(
            "has appendfsync no: a power failure loses up to half a minute of messages; set \
             appendfsync everysec or always",
        );
    }
    let bounded = config.get("maxmemory").is_some_and(|v| v != "0");
    if bounded && !is("maxmemory-policy", "noeviction") && config.contains_key("maxmemory-policy") {
        dangers.push(
            "evicts when its memory is full: whole rooms vanish without a word; set \
             maxmemory-policy noeviction",
        );
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(config: &[(&str, &str)]) -> HashMap<String, String> {
        config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn found(settings: &[(&str, &str)]) -> usize {
        dangers(&config(settings)).len()
    }

    #[test]
    fn a_server_that_may_forget_is_warned_of() {
        assert_eq!(found(&[("appendonly", "no"), ("maxmemory", "0")]), 1);
        assert_eq!(found(&[("appendonly", "yes"), ("appendfsync", "no")]), 1);
        let evicts =
            [("appendonly", "no"), ("maxmemory", "1"), ("maxmemory-policy", "allkeys-lru")];
        assert_eq!(found(&evicts), 2);
        let sound = [
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("maxmemory", "1"),
            ("maxmemory-policy", "noeviction"),
        ];
        assert_eq!(found(&sound), 0);
    }

    #[test]
    fn what_an_answer_is_worth_is_read_from_the_settings() {
        let level =
            |append, fsync| durability(&config(&[("appendonly", append), ("appendfsync", fsync)]));
        assert_eq!(level("no", "always"), Durability::None);
        assert_eq!(level("yes", "everysec"), Durability::Process);
        assert_eq!(level("yes", "always"), Durability::Disk);
        assert_eq!(durability(&config(&[])), Durability::Unknown);
    }

    #[test]
    fn a_level_that_is_not_given_is_named() {
        let found = |durability, replicated| Found {
            too_old: None,
            durability,
            replicated,
            dangers: Vec::new(),
        };
        assert!(found(Durability::None, true).misses(Durability::Process).is_some());
        assert!(found(Durability::Process, true).misses(Durability::Disk).is_some());
        assert!(found(Durability::Process, true).misses(Durability::Replica).is_none());
        assert!(found(Durability::Disk, false).misses(Durability::Replica).is_some());
        assert!(found(Durability::Unknown, true).misses(Durability::Disk).is_none());
    }

    #[test]
    fn redis_six_is_too_old_and_valkey_is_not() {
        assert!(is_too_old("6.2.14"));
        assert!(!is_too_old("7.0.15"));
        assert!(!is_too_old("255.255.255"));
    }
}
