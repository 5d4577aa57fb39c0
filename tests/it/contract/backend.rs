//! Opens each backend the same way, so that a suite does not know which one it runs on.
use std::{sync::Arc, time::Duration};

use hubbub::{
    adapter::{Adapter, Hearing, local::LocalAdapter, redis::RedisAdapter},
    clock,
    config::{presence::Presence, store::Store},
    domain::id::NodeId,
    lifecycle::Lifecycle,
    redis::Link,
    store::{
        embedded::EmbeddedStore, log::Log, members::Members, moderation::Moderation,
        redis::RedisStore, roles::Roles, sessions::Sessions,
    },
};
use tempfile::TempDir;

use crate::harness;

/// A backend that keeps the contract.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    /// The embedded store in a file.
    Embedded,
    /// The embedded store without one.
    Memory,
    /// A Redis of the test's own.
    Redis,
}

/// What a suite may set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) store: Store,
    pub(crate) presence: Presence,
}

/// Nothing ends within a test, unless the test is about that.
impl Default for Settings {
    fn default() -> Self {
        let long = Duration::from_mins(10);
        let store = Store {
            tls_ca: String::new(),
            url: String::new().into(),
            idempotency: long,
            retention_messages: 10_000,
            retention_age: Duration::ZERO,
            command_timeout: Duration::from_secs(2),
            durability: hubbub::config::store::Demand::Auto,
        };
        let presence = Presence { lease: long, renew: long, reap: long, grace: long, assert: long };
        Self { store, presence }
    }
}

/// One node's ends of the ports.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) members: Arc<dyn Members>,
    pub(crate) sessions: Arc<dyn Sessions>,
    pub(crate) moderation: Arc<dyn Moderation>,
    pub(crate) roles: Arc<dyn Roles>,
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) hearing: Hearing,
}

/// A store with a first node on it.
pub(crate) struct Opened {
    pub(crate) node: Node,
    settings: Settings,
    below: Below,
}

/// What has to outlive the nodes.
enum Below {
    Nothing,
    Folder { _folder: TempDir },
    Redis(harness::Redis),
}

impl Backend {
    pub(crate) async fn open(self) -> Opened {
        self.open_with(Settings::default()).await
    }

    pub(crate) async fn open_with(self, settings: Settings) -> Opened {
        let (node, below) = match self {
            Self::Memory => (embedded(None, &settings), Below::Nothing),
            Self::Embedded => {
                let folder = TempDir::new().unwrap();
                let node = embedded(Some(&folder), &settings);
                (node, Below::Folder { _folder: folder })
            }
            Self::Redis => {
                let server = harness::Redis::start().await;
                (redis(&server, &settings).await, Below::Redis(server))
            }
        };
        Opened { node, settings, below }
    }
}

impl Opened {
    /// Another node on the same store, where there can be one.
    pub(crate) async fn another(&self) -> Option<Node> {
        match &self.below {
            Below::Redis(server) => Some(redis(server, &self.settings).await),
            Below::Nothing | Below::Folder { .. } => None,
        }
    }
}

fn embedded(folder: Option<&TempDir>, settings: &Settings) -> Node {
    let id = clock::new_node();
    let (adapter, hearing) = LocalAdapter::new();
    let path = folder.map(|folder| folder.path().join("data/hubbub.redb"));
    let Settings { store, presence } = settings;
    let telling = Arc::clone(&adapter);
    let store = EmbeddedStore::open(path.as_deref(), store, presence, telling, id.clone()).unwrap();
    Node {
        id,
        log: store.clone(),
        members: store.clone(),
        sessions: store.clone(),
        moderation: store.clone(),
        roles: store,
        adapter,
        hearing,
    }
}

async fn redis(server: &harness::Redis, settings: &Settings) -> Node {
    let id = clock::new_node();
    let lifecycle = Lifecycle::default();
    let Settings { store, presence } = settings;
    let link = Link::connect(&server.url().into(), store, &lifecycle).unwrap();
    harness::patiently("Redis", link.ready()).await;
    let store = RedisStore::open(link.clone(), store, presence, id.clone(), &lifecycle);
    let (adapter, hearing) = RedisAdapter::open(link, &lifecycle).unwrap();
    Node {
        id,
        log: store.clone(),
        members: store.clone(),
        sessions: store.clone(),
        moderation: store.clone(),
        roles: store,
        adapter,
        hearing,
    }
}
