//! One real node: started, asked, stopped, killed, and started again on the same store.
use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Http, Process, Redis, Settings, eventually, user::Arrival, user::User};

/// What a node is on; kept as long as the node is.
#[derive(Clone)]
pub(crate) enum Store {
    Memory,
    Folder(Arc<TempDir>),
    Redis(Arc<Redis>),
}

pub(crate) struct Node {
    settings: Settings,
    store: Store,
    running: Mutex<Running>,
}

#[derive(Clone)]
struct Running {
    process: Arc<Process>,
    public: SocketAddr,
    internal: SocketAddr,
}

impl Node {
    /// Starts one, and waits until it is ready.
    pub(crate) async fn start(settings: Settings, store: Store) -> Arc<Self> {
        let node = Self::start_early(settings, store).await;
        node.is_ready().await;
        node
    }

    /// The same, when it cannot be ready yet: waits until it listens.
    pub(crate) async fn start_early(settings: Settings, store: Store) -> Arc<Self> {
        let settings = match &store {
            Store::Memory => settings,
            Store::Folder(folder) => {
                let path = folder.path().join("hubbub.redb");
                settings.with("store.url", format!("embedded:{}", path.display()))
            }
            Store::Redis(redis) => settings.with("store.url", redis.url()),
        };
        let running = Mutex::new(launch(&settings).await);
        Arc::new(Self { settings, store, running })
    }

    /// After [`Node::stop`] or [`Node::kill`]: another process on the same store.
    pub(crate) async fn start_again(&self) {
        let running = launch(&self.settings).await;
        *self.running.lock() = running;
        self.is_ready().await;
    }

    pub(crate) async fn is_ready(&self) {
        eventually("the node is ready", || async { (self.readyz().await == 200).then_some(()) })
            .await;
    }

    pub(crate) async fn readyz(&self) -> u16 {
        self.probe("/readyz").await.map_or(0, |answer| answer.status)
    }

    /// Asks the internal address; none: nobody is there.
    pub(crate) async fn probe(&self, path: &str) -> Option<Answer> {
        let internal = self.running().internal;
        Http::connect(internal).await.ok()?.get(path).await.ok()
    }

    /// What a metric has counted, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> i64 {
        self.metric_of(name, "").await
    }

    /// What a metric has counted under a label, given as `name="value"`.
    pub(crate) async fn metric_of(&self, name: &str, label: &str) -> i64 {
        let text = self.probe("/metrics").await.unwrap().body;
        let of = |line: &str| {
            let (metric, value) = line.rsplit_once(' ')?;
            let is_it = metric.split('{').next() == Some(name) && metric.contains(label);
            is_it.then(|| value.parse::<i64>().ok())?
        };
        text.lines().filter_map(of).sum()
    }

    /// SIGTERM; it ends by itself, with nothing to complain of.
    pub(crate) async fn stop(&self) {
        self.signal(Signal::TERM);
        self.ends_well().await;
    }

    pub(crate) async fn ends_well(&self) {
        let status = self.process().ended().await;
        assert_eq!(status.code(), Some(0), "{status:?}");
    }

    pub(crate) async fn kill(&self) {
        self.process().kill().await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running().public
    }

    pub(crate) fn internal(&self) -> SocketAddr {
        self.running().internal
    }

    pub(crate) fn process(&self) -> Arc<Process> {
        self.running().process
    }

    /// What it is on.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// What `store.url` says.
    pub(crate) fn store_url(&self) -> &str {
        self.settings.get("store.url")
    }

    /// The Redis it is on.
    pub(crate) fn redis(&self) -> &Arc<Redis> {
        match &self.store {
            Store::Redis(redis) => redis,
            Store::Memory | Store::Folder(_) => panic!("this node is not on Redis"),
        }
    }

    /// Somebody new, by WebSocket, who is in a room.
    pub(crate) async fn join(&self, name: &str, room: &str) -> User {
        let user = self.welcome(name).await;
        user.join(room).await;
        user
    }

    /// Somebody new, by WebSocket, who is nowhere yet.
    pub(crate) async fn welcome(&self, name: &str) -> User {
        Arrival::of(name).at(self).await
    }

    fn running(&self) -> Running {
        self.running.lock().clone()
    }
}

/// Starts the process and reads from its log where it listens.
async fn launch(settings: &Settings) -> Running {
    let process = Process::node(settings);
    let at = eventually("the node listens", || async {
        if let Some(status) = process.has_ended() {
            panic!("the node ended at once: {status:?}");
        }
        process.said().iter().find_map(|line| addresses(line))
    });
    let (public, internal) = at.await;
    Running { process: Arc::new(process), public, internal }
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let public = line["message"].as_str()?.strip_prefix("hubbub is at http://")?;
    Some((public.parse().ok()?, line["internal"].as_str()?.parse().ok()?))
}
