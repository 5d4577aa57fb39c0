//! What this node hosts: its connections, the rooms they are in, and for each room a position.
//!
//! Whatever leaves a node is dense and in order: an entry that arrives out of turn is held until
//! the log has filled the gap (invariant I1). [`Rooms`] owns every subscription to a room.
mod connection;
mod hearing;
mod hosted;
mod members;
mod outbox;
pub mod presence;
mod recent;
mod repair;
mod resume;
mod standing;
mod tail;
mod typing;
mod watch;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

pub use self::{
    connection::Connection,
    hosted::Entered,
    outbox::{Batch, CloseReason, Frame, Full, Outbox, raw},
    standing::Standing,
    tail::{Past, Retention},
};
use self::{hosted::Hosted, recent::Budget};
use crate::{
    adapter::Adapter,
    config::rooms::Rooms as RoomsConfig,
    domain::{
        id::{ConnectionId, Epoch, MessageId, RoomId},
        message::Entry,
        moderation::Act,
        position::ResetReason,
        presence::{Diff, Person},
        view::View,
    },
    error::{Error, Result},
    lifecycle::Lifecycle,
    store::log::Log,
    telemetry::{Traces, metrics::Metrics},
};

/// How long a join waits for the store before it is refused.
pub const READY_WITHIN: Duration = Duration::from_secs(2);

/// How many who come in may read the store at once; more wait for their turn.
const READS_AT_ONCE: usize = 50;

/// What happens in a room, before it is put into anybody's words.
#[derive(Debug)]
pub enum News<'a> {
    /// Somebody said something.
    Entry(&'a Entry),
    /// Continuity cannot be proven: page again.
    Reset { reason: ResetReason, head: u64, epoch: Option<&'a Epoch> },
    /// Where the log ends: who is behind fetches.
    Head { epoch: &'a Epoch, seq: u64, mid: Option<&'a MessageId> },
    /// Users came or went.
    Presence(&'a Diff),
    /// Who is typing now: at most a few, and how many more.
    Typing { users: &'a [Person], more: usize },
}

/// The words news is put into; the gateway's part.
pub trait Words: Send + Sync {
    /// The frames for connections of this view, in order; none if it has no words for it.
    fn frames(&self, room: &RoomId, news: &News<'_>, view: View) -> Vec<Frame>;
    /// Called once per node and piece of news, after its frames have gone.
    fn told(&self, room: &RoomId, news: &News<'_>);
}

/// Who heeds acts of moderation; the policy's part.
pub trait Heed: Send + Sync {
    /// Somebody was moderated, here or everywhere.
    fn heed(&self, act: &Act, rooms: &Rooms);
    /// Some acts may have been missed.
    fn doubt(&self);
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    connections: RwLock<HashMap<ConnectionId, Arc<Connection>>>,
    hosted: Mutex<HashMap<RoomId, Arc<Hosted>>>,
    /// What rooms have in memory of their logs.
    budget: Budget,
    reads: Semaphore,
    parts: Parts,
}

/// What rooms are made of.
pub struct Parts {
    pub config: RoomsConfig,
    /// The set of who is typing is told at most this often.
    pub typing_every: Duration,
    pub retention: Retention,
    pub log: Arc<dyn Log>,
    pub adapter: Arc<dyn Adapter>,
    pub words: Arc<dyn Words>,
    pub heed: Arc<dyn Heed>,
    pub metrics: Metrics,
    pub traces: Traces,
    pub lifecycle: Lifecycle,
}

impl Rooms {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            connections: RwLock::default(),
            hosted: Mutex::default(),
            budget: Budget::default(),
            reads: Semaphore::new(READS_AT_ONCE),
            parts,
        }))
    }

    pub fn add(&self, connection: Arc<Connection>) {
        self.0.connections.write().insert(connection.id.clone(), connection);
    }

    /// Takes a connection out of everything it was in.
    pub fn remove(&self, connection: &Connection) {
        self.0.connections.write().remove(&connection.id);
        for room in connection.rooms() {
            self.leave(connection, &room);
        }
    }

    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.0.connections.read().values().cloned().collect()
    }

    pub fn find(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.0.connections.read().get(id).cloned()
    }

    /// Puts a connection into a room, silent until [`Entered::go_live`]: from now on whatever is
    /// heard is kept for it, so that what it reads meanwhile and what it hears later meet without
    /// hole or overlap.
    pub fn enter(&self, connection: &Arc<Connection>, room: &RoomId) -> Result<Entered> {
        let mut hosted = self.0.hosted.lock();
        let here = hosted.entry(room.clone()).or_insert_with(|| self.host(room)).clone();
        let was_member = connection.is_in(room);
        if !here.buffer(connection, self.0.parts.config.max_members) {
            return Err(Error::LimitExceeded("the room is full on this node"));
        }
        connection.note_room(room);
        Ok(Entered::new(self.clone(), here, connection.clone(), was_member))
    }

    /// Takes a connection out of a room; the last one closes it on this node.
    pub fn leave(&self, connection: &Connection, room: &RoomId) {
        connection.forget_room(room);
        let mut hosted = self.0.hosted.lock();
        let Some(here) = hosted.get(room) else { return };
        if here.remove(&connection.id) {
            here.close();
            hosted.remove(room);
            self.0.parts.metrics.hosted_rooms.add(-1, &[]);
        }
    }

    fn host(&self, room: &RoomId) -> Arc<Hosted> {
        let here = Hosted::new(room.clone(), self.0.parts.words.clone());
        self.0.parts.metrics.hosted_rooms.add(1, &[]);
        self.0.parts.lifecycle.spawn_until_stop(repair::open(self.clone(), here.clone()));
        here
    }

    fn hosted(&self, room: &RoomId) -> Option<Arc<Hosted>> {
        self.0.hosted.lock().get(room).cloned()
    }

    /// The rooms that are open on this node.
    pub fn open(&self) -> Vec<RoomId> {
        self.0.hosted.lock().keys().cloned().collect()
    }

    fn all_hosted(&self) -> Vec<Arc<Hosted>> {
        self.0.hosted.lock().values().cloned().collect()
    }
}
