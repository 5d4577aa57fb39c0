//! Whether a Redis keeps what it is given. Looked at on each connect: a server may be another one
//! after a failover.
use std::collections::HashMap;

use fred::{
    error::{Error as Failure, ErrorKind},
    prelude::{Client, ClientLike, ClusterInterface, Options, Server, Value},
    types::{ClusterHash, CustomCommand, InfoKind},
};

/// The oldest major version with sharded pub/sub.
const OLDEST: u64 = 7;

pub(super) enum Soundness {
    Known,
    /// An ACL forbids to look.
    Unknown,
    TooOld(String),
}

/// Asks every primary. An error means that it does not answer (yet).
pub(super) async fn examine(client: &Client) -> Result<Soundness, Failure> {
    client.ping::<Value>(None).await?;
    let mut verdict = Soundness::Known;
    for server in primaries(client) {
        let named = server.as_ref().map_or_else(|| "redis".to_owned(), ToString::to_string);
        let to = Options { cluster_node: server, ..Options::default() };
        match version(client, &to).await? {
            Some(version) if is_too_old(&version) => return Ok(Soundness::TooOld(version)),
            Some(_) => {}
            None => verdict = Soundness::Unknown,
        }
        match configuration(client, &to).await? {
            Some(config) => {
                for danger in dangers(&config) {
                    tracing::warn!(server = named, "{danger}");
                }
            }
            None => verdict = Soundness::Unknown,
        }
    }
    Ok(verdict)
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
    let names = vec!["GET", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy"];
    if_allowed(client.with_options(to).custom(get, names).await)
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

/// What endangers messages that were acknowledged, one sentence each.
fn dangers(config: &HashMap<String, String>) -> Vec<&'static str> {
    let is = |name: &str, value: &str| config.get(name).is_some_and(|v| v == value);
    let mut dangers = Vec::new();
    if is("appendonly", "no") {
        dangers.push(
            "Redis has appendonly off: a crash or a restart loses every message and member \
             since its last snapshot; set appendonly yes",
        );
    } else if is("appendfsync", "no") {
        dangers.push(
            "Redis has appendfsync no: a power failure loses up to half a minute of messages; \
             set appendfsync everysec or always",
        );
    }
    let bounded = config.get("maxmemory").is_some_and(|v| v != "0");
    if bounded && !is("maxmemory-policy", "noeviction") && config.contains_key("maxmemory-policy") {
        dangers.push(
            "Redis evicts when its memory is full: whole rooms vanish without a word; set \
             maxmemory-policy noeviction",
        );
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &[(&str, &str)]) -> usize {
        dangers(&config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()).len()
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
    fn redis_six_is_too_old_and_valkey_is_not() {
        assert!(is_too_old("6.2.14"));
        assert!(!is_too_old("7.0.15"));
        assert!(!is_too_old("255.255.255"));
    }
}
