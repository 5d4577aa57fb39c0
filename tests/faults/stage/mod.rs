//! What a scenario is played on: three real nodes on a Redis of one of three kinds, or one node on
//! its own file; and between every two a proxy.
mod cluster;
mod disk;
mod node;
mod path;
mod sentinel;
mod server;
mod vitals;

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::join_all;
use tempfile::TempDir;

pub(crate) use self::{
    cluster::RedisCluster, disk::SmallDisk, node::Node, path::Path, sentinel::Sentinel,
    server::Server,
};
use crate::{
    checker::{Phase, StoreSample, Target},
    common::{Settings, acl},
    ports::free_port,
    proxy::{Plan, Speech},
    records::Name,
    run::{Notes, Run},
};

/// What is read of a node is read rightly.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    vec![vitals::trial()]
}

/// What the nodes remember in.
pub(crate) enum Store {
    Redis(Server),
    Sentinel(Sentinel),
    Cluster(RedisCluster),
    /// The only node's own file.
    Embedded(TempDir),
}

pub(crate) struct Stage {
    pub(crate) nodes: Vec<Node>,
    pub(crate) store: Store,
    pub(crate) notes: Arc<Notes>,
    seed: u64,
}

impl Stage {
    /// Three nodes on one Redis.
    pub(crate) async fn on_redis(run: &Run, settings: Settings) -> Self {
        Self::on_redis_of(run, settings, redis_of(run, &[]), |plan| plan).await
    }

    /// Three nodes on this Redis, which is started now; `fit` makes the nodes' paths to it as the
    /// scenario needs them.
    pub(crate) async fn on_redis_of(
        run: &Run,
        settings: Settings,
        redis: Server,
        fit: fn(Plan) -> Plan,
    ) -> Self {
        redis.inner().restart().await;
        let mut nodes = Vec::new();
        for n in 0..3 {
            let paths = redis_paths(&[(redis.address(), redis.address().port())], n, run, fit);
            let at = acl::url("redis", &paths[0].at().to_string());
            nodes.push((paths, settings.clone().with("store.url", at)));
        }
        Self::with(run, nodes, Store::Redis(redis)).await
    }

    /// Three nodes on a primary with two replicas, watched by three sentinels; each server has these
    /// arguments beyond those we ship.
    pub(crate) async fn on_sentinel_of(run: &Run, settings: Settings, more: &[&str]) -> Self {
        let sentinel = Sentinel::start(&run.notes, more).await;
        let mut nodes = Vec::new();
        for n in 0..3 {
            let (paths, url) = sentinel.paths_for(n, run);
            nodes.push((paths, settings.clone().with("store.url", url)));
        }
        let stage = Self::with(run, nodes, Store::Sentinel(sentinel)).await;
        // The primary, and the sentinel that told of it.
        stage.leads_by_paths(2);
        stage
    }

    /// Three nodes on a Redis Cluster of three primaries and three replicas.
    pub(crate) async fn on_cluster(run: &Run, settings: Settings) -> Self {
        let cluster = RedisCluster::start(&run.notes).await;
        let mut nodes = Vec::new();
        for n in 0..3 {
            let (paths, url) = cluster.paths_for(n, run);
            nodes.push((paths, settings.clone().with("store.url", url)));
        }
        let stage = Self::with(run, nodes, Store::Cluster(cluster)).await;
        // All primaries.
        stage.leads_by_paths(3);
        stage
    }

    /// One node on a file of its own.
    pub(crate) async fn alone(run: &Run, settings: Settings) -> Self {
        Self::alone_in(run, settings, TempDir::new().unwrap()).await
    }

    /// The same, its file in this folder.
    pub(crate) async fn alone_in(run: &Run, settings: Settings, folder: TempDir) -> Self {
        let url = format!("embedded:{}", folder.path().join("hubbub.redb").display());
        let node = (Vec::new(), settings.with("store.url", url));
        Self::with(run, vec![node], Store::Embedded(folder)).await
    }

    async fn with(run: &Run, nodes: Vec<(Vec<Path>, Settings)>, store: Store) -> Self {
        let nodes: Vec<Node> = nodes
            .into_iter()
            .enumerate()
            .map(|(n, (paths, settings))| {
                Node::new(Name::new(&format!("node-{}", n + 1)), settings, paths, &run.notes)
            })
            .collect();
        join_all(nodes.iter().map(Node::start)).await;
        Self { nodes, store, notes: run.notes.clone(), seed: run.seed }
    }

    /// A node that were told a server's own address would go past its paths, and no fault would
    /// ever meet it.
    fn leads_by_paths(&self, at_least: usize) {
        for node in &self.nodes {
            let used = node.to_store.iter().filter(|path| path.accepted() > 0).count();
            assert!(used >= at_least, "{} uses {used} of its paths to the store", node.name);
        }
    }

    /// By its number, from 1, as scenarios name them.
    pub(crate) fn node(&self, number: usize) -> &Node {
        &self.nodes[number - 1]
    }

    /// The one Redis.
    pub(crate) fn redis(&self) -> &Server {
        match &self.store {
            Store::Redis(redis) => redis,
            _ => panic!("this stage has another kind of store"),
        }
    }

    /// The one of these that is watched by sentinels.
    pub(crate) fn sentinel(&self) -> &Sentinel {
        match &self.store {
            Store::Sentinel(sentinel) => sentinel,
            _ => panic!("this stage has another kind of store"),
        }
    }

    /// The file of the only node.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        match &self.store {
            Store::Embedded(folder) => folder.path().join("hubbub.redb"),
            _ => panic!("this stage has another kind of store"),
        }
    }

    /// Writes down what the one Redis holds for presence, if that is what there is.
    pub(crate) async fn sample_store(&self, phase: Phase) {
        let Store::Redis(redis) = &self.store else { return };
        let keys = redis.keys().await;
        let is_members = |key: &&String| key.contains("}:m:");
        let of_messages = ["}:log", "}:meta", "}:idem:"];
        let counted = keys
            .iter()
            .filter(|key| !is_members(key) && !of_messages.iter().any(|part| key.contains(part)));
        let members: Vec<String> =
            keys.iter().filter(is_members).map(|key| format!("HLEN {key}")).collect();
        let number = |line: &str| line.trim().strip_prefix(':')?.parse::<u64>().ok();
        let said = redis.run(&members.join("\r\n")).await.unwrap_or_default();
        let leases = redis.run("ZCARD {n}:leases").await.unwrap_or_default();
        let sample = StoreSample {
            at: self.notes.clock.now(),
            phase,
            members: said.lines().filter_map(number).sum(),
            leases: leases.lines().filter_map(number).sum(),
            keys: counted.count() as u64,
        };
        self.notes.with_facts(|facts| facts.store_samples.push(sample));
    }

    /// The way of most clients to the nodes.
    pub(crate) fn doors(&self) -> Arc<Doors> {
        self.open(|plan| plan, |node| Target::NodePath(node.name))
    }

    /// A way of its own to every node for one client, so that it can fail for this one alone;
    /// `fit` makes the proxies as the scenario needs them.
    pub(crate) fn doors_for(&self, client: Name, fit: impl Fn(Plan) -> Plan) -> Arc<Doors> {
        self.open(fit, |_| Target::ClientPath(client))
    }

    fn open(&self, fit: impl Fn(Plan) -> Plan, target: impl Fn(&Node) -> Target) -> Arc<Doors> {
        let mut paths = Vec::new();
        for (n, node) in self.nodes.iter().enumerate() {
            let plan = fit(Plan::to(node.address()).seeded(self.seed.wrapping_add(n as u64)));
            paths.push(Path::open(plan, target(node), &self.notes));
        }
        let nodes: Vec<SocketAddr> = paths.iter().map(|path| path.at()).collect();
        let balancer = Plan::between(nodes).seeded(self.seed).open();
        Arc::new(Doors { paths, balancer })
    }

    /// Ends the nodes that still run, as an operator would, and keeps what they said; what was
    /// wrong with that.
    pub(crate) async fn end(&self) -> Vec<String> {
        let ended = join_all(self.nodes.iter().map(Node::end)).await;
        ended.into_iter().flatten().collect()
    }
}

/// How some clients reach the nodes.
pub(crate) struct Doors {
    /// One to each node.
    pub(crate) paths: Vec<Path>,
    /// For those who know one address only.
    pub(crate) balancer: crate::proxy::Proxy,
}

impl Doors {
    /// Where they lead, node by node; it begins with the `n`th.
    pub(crate) fn from(&self, n: usize) -> Vec<SocketAddr> {
        let mut ways: Vec<_> = self.paths.iter().map(|path| path.at()).collect();
        let nodes = ways.len();
        ways.rotate_left(n % nodes);
        ways
    }

    /// The way to a node, by its number, from 1.
    pub(crate) fn to(&self, number: usize) -> &Path {
        &self.paths[number - 1]
    }
}

/// The one Redis, with these arguments beyond those we ship; not started yet.
pub(crate) fn redis_of(run: &Run, more: &[&str]) -> Server {
    let more: Vec<String> = more.iter().map(|&argument| argument.to_owned()).collect();
    Server::at(free_port(), &run.notes, Name::new("redis"), &more)
}

/// Paths for one node, by its number from 0, to some Redis or sentinels, each with the port that is
/// told of it. Where one of them tells the node of another, the node is told its own path to it.
fn redis_paths(
    to: &[(SocketAddr, u16)],
    node: usize,
    run: &Run,
    fit: fn(Plan) -> Plan,
) -> Vec<Path> {
    let ports: Vec<u16> = to.iter().map(|_| free_port()).collect();
    let mut instead = Vec::new();
    for ((at, told), port) in to.iter().zip(&ports) {
        instead.extend([(at.port(), *port), (*told, *port)]);
    }
    let target = Target::StorePath(Name::new(&format!("node-{}", node + 1)));
    let mut paths = Vec::new();
    for ((to, _), port) in to.iter().zip(ports) {
        let speech = Speech::Redis { instead: instead.clone() };
        let plan = Plan::to(*to).at(port).speaking(speech).seeded(run.seed ^ u64::from(port));
        paths.push(Path::open(fit(plan), target, &run.notes));
    }
    paths
}
