//! What is told to every node, and the only place that subscribes.
//!
//! Entries of a room's log are told by the store's append itself, in the same step; everything
//! else (typing, notices, `io.emit`) goes through [`Adapter::tell`]. Both arrive as [`Heard`].
pub mod envelope;
pub mod local;
pub mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::{
    domain::{
        id::{ConnectionId, RoomId, UserId},
        message::Entry,
        moderation::Act,
        presence::Diff,
        view::View,
    },
    error::Result,
};

/// To whom something is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    Everyone,
    /// Members of a room.
    Room(RoomId),
    /// All connections of a user.
    User(UserId),
    Connection(ConnectionId),
    /// Connections that put themselves under a free-form name: a tutorial's room. The name never
    /// becomes a key or a channel.
    Group(String),
}

/// An event with its arguments, told at most once to whom it concerns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    pub to: Audience,
    /// Only connections that understand one of these hear it.
    pub view: View,
    /// But not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<ConnectionId>,
    pub event: String,
    pub args: Vec<Box<RawValue>>,
}

impl Told {
    /// An event with one argument.
    pub fn new(to: Audience, view: View, event: &str, payload: &impl Serialize) -> Result<Self> {
        let payload = serde_json::value::to_raw_value(payload).map_err(anyhow::Error::from)?;
        Ok(Self { to, view, except: None, event: event.to_owned(), args: vec![payload] })
    }
}

/// What one can listen to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What concerns everyone on every node.
    Global,
    /// One room.
    Room(RoomId),
}

/// Why continuity cannot be taken for granted; a label of the gap counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum GapCause {
    /// The connection to the store was lost and is back.
    Reconnected,
    /// More arrived than could be taken in.
    Lagged,
    /// Something arrived that this release cannot read.
    Unreadable,
}

/// What arrives. In order per topic.
#[derive(Debug)]
pub enum Heard {
    /// A room's log grew by this.
    Entry(Arc<Entry>),
    /// A list told at once; its order is the order on every node.
    Told(Vec<Told>),
    /// A room's people changed.
    Presence(RoomId, Diff),
    /// Somebody was moderated.
    Act(Box<Act>),
    /// Something may have been missed: in these rooms, or (`None`) in any.
    Gap { rooms: Option<Vec<RoomId>>, cause: GapCause },
}

/// The receiving end; there is one per node.
pub type Hearing = mpsc::Receiver<Heard>;

/// The way between nodes, at most once. A list is told by one publish and stays in order. If all
/// of a list goes to one room it travels on that room's topic, else on the global one.
#[async_trait]
pub trait Adapter: Send + Sync {
    async fn tell(&self, what: Vec<Told>) -> Result<()>;

    /// Returns when it is certain that whatever is told from now on is heard. Dropping the
    /// guard ends it after a while, so that who comes back soon finds it still open.
    async fn listen(&self, topic: Topic) -> Result<Listening>;

    /// Lists and presence that found no room, since the start. What a room's log has is not among
    /// them: it is read there.
    fn dropped(&self) -> u64 {
        0
    }

    /// Subscribes to a topic again that seems deaf although nothing said so.
    async fn relisten(&self, topic: &Topic) -> Result<()>;
}

/// Keeps a topic listened to.
pub struct Listening {
    on_drop: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Listening {
    pub fn new(on_drop: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { on_drop: Some(Box::new(on_drop)) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(end) = self.on_drop.take() {
            end();
        }
    }
}

/// The topic a list travels on.
pub fn topic_of(what: &[Told]) -> Topic {
    match what.first().map(|told| &told.to) {
        Some(Audience::Room(room)) if what.iter().all(|t| t.to == Audience::Room(room.clone())) => {
            Topic::Room(room.clone())
        }
        _ => Topic::Global,
    }
}
