//! Opens each backend the same way, so that a suite does not know which one it runs on.
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use hubbub::{
    adapter::{Adapter, Hearing, local::LocalAdapter, redis::RedisAdapter},
    clock,
    config::{presence::Presence, store::Store},
    domain::id::NodeId,
    lifecycle::Lifecycle,
    redis::Link,
    store::{
        embedded::EmbeddedStore, log::Log, members::Members, redis::RedisStore, sessions::Sessions,
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

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
    Redis(Server),
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
                let server = Server::start().await;
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
    Node { id, log: store.clone(), members: store.clone(), sessions: store, adapter, hearing }
}

async fn redis(server: &Server, settings: &Settings) -> Node {
    let id = clock::new_node();
    let lifecycle = Lifecycle::default();
    let Settings { store, presence } = settings;
    let link = Link::connect(&server.url().into(), store, &lifecycle).unwrap();
    tokio::time::timeout(Duration::from_secs(10), link.ready()).await.unwrap();
    let store = RedisStore::open(link.clone(), store, presence, id.clone(), &lifecycle);
    let (adapter, hearing) = RedisAdapter::open(link, &lifecycle).unwrap();
    Node { id, log: store.clone(), members: store.clone(), sessions: store, adapter, hearing }
}

/// A private Redis, gone with its value.
struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        loop {
            let mut server = Self::launch();
            // Another test may have taken the port since it was free: then this one has ended, or
            // whoever answers is another process.
            let is_ours =
                super::words::eventually(|| {
                    let has_ended = server.process.try_wait().unwrap().is_some();
                    let id = format!("process_id:{}\r", server.process.id());
                    let info = server_info(server.port);
                    async move {
                        if has_ended { Some(false) } else { Some(info.await.ok()?.contains(&id)) }
                    }
                })
                .await;
            if is_ours {
                return server;
            }
        }
    }

    fn launch() -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH");
        Self { process, port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the Redis on a port says of itself.
async fn server_info(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"INFO server\r\nQUIT\r\n").await?;
    let mut info = String::new();
    stream.read_to_string(&mut info).await?;
    Ok(info)
}
