//! The Redis backend: standalone, Sentinel or Cluster. Each change is one script on keys of one
//! slot, so it is atomic on all three.
mod keys;
mod lease;
mod log;
mod members;
mod page;
mod sessions;

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::Mutex;

use crate::{
    config::{presence::Presence, store::Store},
    domain::id::{NodeId, RoomId},
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
    /// Whether this process has ever had a lease.
    leased: AtomicBool,
    /// One for each stripe of places; see `members.rs`.
    stripes: Vec<tokio::sync::RwLock<()>>,
}

impl RedisStore {
    pub fn open(link: Arc<Link>, store: &Store, presence: &Presence, node: NodeId) -> Arc<Self> {
        Arc::new(Self {
            link,
            store: store.clone(),
            presence: presence.clone(),
            node,
            indexed: Mutex::default(),
            leased: AtomicBool::new(false),
            stripes: (0..members::STRIPES).map(|_| tokio::sync::RwLock::default()).collect(),
        })
    }
}
