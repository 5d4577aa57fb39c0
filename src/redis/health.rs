//! Whether Redis answers: what makes commands fail at once instead of waiting for nobody.
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use fred::{
    prelude::{Client, ClientLike, ClusterInterface, Options, Server, Value},
    util::redis_keyslot,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::domain::durability::Durability;

/// How long a server that was silent may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The circuit breaker. One for the whole link; in a cluster also one for each server, because the
/// others go on.
pub(super) struct Health {
    up: watch::Sender<bool>,
    /// How often it has come up.
    ups: AtomicU64,
    down_since: Mutex<Option<Instant>>,
    durability: Mutex<Durability>,
    dangers: Mutex<Vec<String>>,
    /// Why it could not be used when it was last tried.
    trouble: Mutex<Option<String>>,
    /// A command was not answered, or with somebody else's answer.
    doubts: Notify,
    /// Servers of a cluster that have left a command unanswered.
    silent: RwLock<HashSet<Server>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            up: watch::Sender::new(false),
            ups: AtomicU64::new(0),
            down_since: Mutex::new(Some(Instant::now())),
            durability: Mutex::new(Durability::Unknown),
            dangers: Mutex::default(),
            trouble: Mutex::default(),
            doubts: Notify::new(),
            silent: RwLock::default(),
        }
    }
}

impl Health {
    pub(super) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    pub(super) fn was_ever_up(&self) -> bool {
        self.ups() > 0
    }

    pub(super) fn ups(&self) -> u64 {
        self.ups.load(Ordering::Acquire)
    }

    pub(super) fn changes(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    pub(super) fn durability(&self) -> Durability {
        *self.durability.lock()
    }

    pub(super) fn dangers(&self) -> Vec<String> {
        self.dangers.lock().clone()
    }

    pub(super) fn any_silent(&self) -> bool {
        !self.silent.read().is_empty()
    }

    pub(super) fn found(&self, durability: Durability, dangers: &[String]) {
        *self.durability.lock() = durability;
        dangers.clone_into(&mut self.dangers.lock());
    }

    /// For how long it has been down, if it is.
    pub(super) fn down_for(&self) -> Option<Duration> {
        self.down_since.lock().map(|since| since.elapsed())
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    pub(super) fn has_trouble(&self, why: &str) {
        *self.trouble.lock() = Some(why.to_owned());
    }

    pub(super) fn up(&self) {
        *self.trouble.lock() = None;
        *self.down_since.lock() = None;
        self.ups.fetch_add(1, Ordering::AcqRel);
        self.up.send_replace(true);
    }

    pub(super) fn down(&self) {
        *self.down_since.lock() = Some(Instant::now());
        self.up.send_replace(false);
    }

    /// A command showed that the connection is of no more use.
    pub(super) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// A command on this key was not answered.
    pub(super) fn doubt_server(&self, client: &Client, key: &str) {
        match owner(client, key) {
            Some(server) => {
                if self.silent.write().insert(server.clone()) {
                    tracing::warn!(%server, "a server of the cluster does not answer");
                }
            }
            None => self.doubt(),
        }
    }

    pub(super) async fn doubted(&self) {
        self.doubts.notified().await;
    }

    /// What was doubted before a new connection has nothing to do with it.
    pub(super) fn forget_doubts(&self) {
        // Takes the permit a doubt may have left.
        let _ = futures_util::FutureExt::now_or_never(self.doubts.notified());
        self.silent.write().clear();
    }

    /// Whether the server of this key is known not to answer.
    pub(super) fn is_silent(&self, client: &Client, key: &str) -> bool {
        let silent = self.silent.read();
        !silent.is_empty() && owner(client, key).is_some_and(|server| silent.contains(&server))
    }

    /// Asks those that were silent; `false`: there are none. What has taken their place is learned.
    pub(super) async fn ask_silent(&self, client: &Client) -> bool {
        let silent: Vec<Server> = self.silent.read().iter().cloned().collect();
        if silent.is_empty() {
            return false;
        }
        // Also tells of a replica that has become primary; the old one is then nobody's owner.
        tokio::time::timeout(ANSWER_WITHIN, client.sync_cluster()).await.ok();
        for server in silent {
            let to = Options {
                cluster_node: Some(server.clone()),
                timeout: Some(ANSWER_WITHIN),
                ..Options::default()
            };
            if client.with_options(&to).ping::<Value>(None).await.is_ok() {
                tracing::info!(%server, "a server of the cluster answers again");
                self.silent.write().remove(&server);
            }
        }
        true
    }
}

/// The server of a cluster that has this key; `None` where there is only one.
pub(super) fn owner(client: &Client, key: &str) -> Option<Server> {
    if !client.is_clustered() {
        return None;
    }
    client.cached_cluster_state()?.get_server(redis_keyslot(key.as_bytes())).cloned()
}
