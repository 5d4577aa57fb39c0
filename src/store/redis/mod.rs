//! The Redis backend: standalone, Sentinel or Cluster. Each change is one script on keys of one
//! slot, so it is atomic on all three.
mod commits;
mod keys;
mod lease;
mod log;
mod members;
mod moderation;
mod page;
mod roles;
mod sessions;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::Mutex;

use self::commits::Commits;
use crate::{
    config::{
        presence::Presence,
        store::{Demand, Store},
    },
    domain::id::{NodeId, RoomId},
    lifecycle::Lifecycle,
    redis::Link,
};

/// Log, members and sessions, all behind one link.
pub struct RedisStore {
    link: Arc<Link>,
    store: Store,
    presence: Presence,
    node: NodeId,
    /// Rooms whose place in the index this process has seen to.
    indexed: Mutex<HashSet<RoomId>>,
    /// Places on the list of this node, and the connection to Redis on which they were put there.
    listed: Mutex<(u64, HashSet<String>)>,
    /// Whether this process has ever had a lease.
    leased: AtomicBool,
    /// Where an append waits for a second Redis.
    commits: Option<Commits>,
    /// One for each stripe of places; see `members.rs`.
    stripes: Vec<tokio::sync::RwLock<()>>,
}

impl RedisStore {
    pub fn open(
        link: Arc<Link>,
        store: &Store,
        presence: &Presence,
        node: NodeId,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        let waits = store.durability == Demand::Replica;
        let commits = waits.then(|| Commits::open(link.clone(), lifecycle));
        Arc::new(Self {
            commits,
            link,
            store: store.clone(),
            presence: presence.clone(),
            node,
            indexed: Mutex::default(),
            listed: Mutex::default(),
            leased: AtomicBool::new(false),
            stripes: (0..members::STRIPES).map(|_| tokio::sync::RwLock::default()).collect(),
        })
    }
}
