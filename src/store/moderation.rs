//! The port to moderation: what holds against whom, in a room and everywhere, and the record of
//! what was done.
use async_trait::async_trait;

use crate::{
    domain::{
        id::{RoomId, UserId},
        moderation::{Act, Subject},
        room::RoomRole,
    },
    error::Result,
};

/// Measures in force in one room, or everywhere; one more is refused with `limit_exceeded`.
pub const MOST_MEASURES: usize = 10_000;
/// Acts of one room, or of everywhere, that the record keeps; at it the oldest goes.
pub const LONGEST_RECORD: usize = 10_000;

/// What holds in one room, or everywhere.
#[derive(Debug, Clone, Default)]
pub struct Laid {
    /// One more after each act.
    pub version: u64,
    /// What began each measure that is in force.
    pub acts: Vec<Act>,
}

/// What a room is, and what somebody is there: what holds against them, and what they may do.
#[derive(Debug, Clone, Default)]
pub struct Held {
    pub ban: Option<Act>,
    pub mute: Option<Act>,
    pub role: Option<RoomRole>,
    /// Only its owner and moderators speak.
    pub announce: bool,
    /// Somebody has a role there.
    pub is_founded: bool,
}

/// Moderation. Every backend promises:
///
/// * `decide` begins or lifts what the act says, records the act and tells it to every node, in
///   **one** atomic step. What holds in a room is told on that room's topic.
/// * [`super::log::Log::append`] asks what holds in its room within its own step: once `decide` has
///   returned, nobody it concerns is heard in that room any more, on any node.
/// * A measure that has run out does not hold, also if it is still there; none of a room's own holds
///   against whoever moderates it.
#[async_trait]
pub trait Moderation: Send + Sync {
    async fn decide(&self, act: &Act) -> Result<()>;

    /// Everything in force in a room, or (`None`) everywhere.
    async fn laid(&self, room: Option<&RoomId>) -> Result<Laid>;

    /// The version of what holds everywhere: cheap, and asked often, since being told is a hint.
    async fn version(&self) -> Result<u64>;

    /// The same of each of these rooms, in the order asked; 0: nothing was ever decided there.
    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<u64>>;

    /// What a user is in a room, and what holds there against whoever is known as any of these.
    async fn held(&self, room: &RoomId, user: &UserId, known_as: &[Subject]) -> Result<Held>;

    /// The newest acts of a room, or (`None`) of everywhere, newest first.
    async fn record(&self, room: Option<&RoomId>, limit: usize) -> Result<Vec<Act>>;
}
