//! A Redis Cluster of three primaries and three replicas on loopback; each node is led to them
//! through proxies of its own.
use std::{process::Command, sync::Arc, time::Duration};

use super::{Path, Server, redis_paths};
use crate::{
    common::{acl, eventually_within},
    ports::free_port,
    records::Name,
    run::{Notes, Run},
};

const SERVERS: usize = 6;
/// How long six servers may take to agree.
const AGREED_WITHIN: Duration = Duration::from_mins(1);

pub(crate) struct RedisCluster {
    pub(crate) servers: Vec<Server>,
}

impl RedisCluster {
    pub(super) async fn start(notes: &Arc<Notes>) -> Self {
        let mut servers = Vec::new();
        for n in 0..SERVERS {
            let more = [
                ("--cluster-enabled", "yes".to_owned()),
                ("--cluster-port", free_port().to_string()),
                ("--cluster-node-timeout", "3000".to_owned()),
                ("--repl-diskless-sync-delay", "0".to_owned()),
            ];
            let more: Vec<String> =
                more.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
            let name = Name::new(&format!("redis-{}", n + 1));
            let server = Server::at(free_port(), notes, name, &more);
            server.inner().restart().await;
            servers.push(server);
        }
        let addresses: Vec<String> =
            servers.iter().map(|server| server.address().to_string()).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "no cluster: {}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { servers };
        cluster.is_whole().await;
        cluster
    }

    /// Waits until every server says that the cluster is whole, and every replica has what its
    /// primary has: before that it may not take over.
    pub(crate) async fn is_whole(&self) {
        eventually_within(AGREED_WITHIN, "the cluster is whole", || async {
            for server in &self.servers {
                let info = server.run("CLUSTER INFO").await?;
                if !info.contains("cluster_state:ok") || !info.contains("cluster_known_nodes:6") {
                    return None;
                }
                let role = server.run("INFO replication").await?;
                if role.contains("role:slave") && !role.contains("master_link_status:up") {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Which server owns a room's slot now.
    pub(crate) async fn owner_of(&self, room: Name) -> &Server {
        eventually_within(AGREED_WITHIN, &format!("somebody owns {room}"), || async {
            for server in &self.servers {
                let said = server.run(&format!("EXISTS {{r:{room}}}:meta")).await;
                let role = server.run("ROLE").await;
                let is_primary = role.is_some_and(|role| role.contains("master"));
                if is_primary && said.is_some_and(|said| said.starts_with(':')) {
                    return Some(server);
                }
            }
            None
        })
        .await
    }

    /// A node's ways to all servers, and its URL.
    pub(super) fn paths_for(&self, node: usize, run: &Run) -> (Vec<Path>, String) {
        let to = self.servers.iter().map(|server| (server.address(), server.address().port()));
        let paths = redis_paths(&to.collect::<Vec<_>>(), node, run, |plan| plan);
        let at: Vec<_> = paths.iter().map(|path| path.at()).collect();
        let others: Vec<String> = at[1..].iter().map(|way| format!("node={way}")).collect();
        (paths, acl::url("redis-cluster", &format!("{}?{}", at[0], others.join("&"))))
    }
}
