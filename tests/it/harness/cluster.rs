//! The stages tests are played on: one node alone, or three on one Redis.
use std::sync::Arc;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::{Node, Redis, Settings, node::Store};

/// Three nodes on one Redis.
pub(crate) struct Cluster;

impl Cluster {
    pub(crate) async fn start() -> [Arc<Node>; 3] {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> [Arc<Node>; 3] {
        Self::start_on(Arc::new(Redis::start().await), settings).await
    }

    /// `N` more nodes on a Redis that is there.
    pub(crate) async fn start_on<const N: usize>(
        redis: Arc<Redis>,
        settings: Settings,
    ) -> [Arc<Node>; N] {
        let start = |_| Node::start(settings.clone(), Store::Redis(redis.clone()));
        let nodes: Vec<_> = join_all((0..N).map(start)).await;
        nodes.try_into().unwrap_or_else(|_| unreachable!("as many as were asked for"))
    }

    /// One node on a Redis that need not be there yet.
    pub(crate) async fn start_early(redis: Arc<Redis>, settings: Settings) -> Arc<Node> {
        Node::start_early(settings, Store::Redis(redis)).await
    }
}

/// One node with the embedded store in a file.
pub(crate) struct Alone;

impl Alone {
    pub(crate) async fn start() -> Arc<Node> {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Arc<Node> {
        let folder = Arc::new(TempDir::new().unwrap());
        Node::start(settings, Store::Folder(folder)).await
    }

    /// One that may never be ready: `store.url` is as given.
    pub(crate) async fn early(settings: Settings) -> Arc<Node> {
        Node::start_early(settings, Store::Memory).await
    }

    /// One that forgets everything: for tests that are not about what is kept.
    pub(crate) async fn forgetful(settings: Settings) -> Arc<Node> {
        Node::start(settings, Store::Memory).await
    }
}

/// The stages that keep the same promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Alone,
    Cluster,
}

impl Stage {
    pub(crate) async fn start(self) -> [Arc<Node>; 3] {
        self.start_with(Settings::default()).await
    }

    /// Alone, the three are the same one.
    pub(crate) async fn start_with(self, settings: Settings) -> [Arc<Node>; 3] {
        match self {
            Self::Cluster => Cluster::start_with(settings).await,
            Self::Alone => {
                let node = Alone::start_with(settings).await;
                [node.clone(), node.clone(), node]
            }
        }
    }
}
