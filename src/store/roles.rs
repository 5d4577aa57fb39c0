//! The port to roles: who is what in a room for good, and which rooms somebody is in for good.
use async_trait::async_trait;

use crate::{
    domain::{
        id::{RoomId, UserId},
        moderation::Act,
        room::{Kind, Membership, RoomRole},
    },
    error::Result,
};

/// Users who have a role in one room; one more is refused with `limit_exceeded`.
pub const MOST_ROLES: usize = 10_000;

/// What users are in a room; `None`: nothing.
pub type Cast = Vec<(UserId, Option<RoomRole>)>;

/// A page of those who have a role in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    /// By user id, byte by byte.
    pub roles: Vec<(UserId, RoomRole)>,
    /// Others come after the last of these.
    pub more: bool,
}

/// Who becomes what in a room.
#[derive(Debug, Clone)]
pub struct Change {
    /// As it is recorded and told; its room is the one.
    pub act: Act,
    /// Only if nobody has ever written or had a role there.
    pub is_new: bool,
    /// Only if these are still what they were seen to be.
    pub seen: Cast,
    pub becomes: Cast,
    /// The most rooms that are not public one user may be in; one more is refused with
    /// `limit_exceeded`.
    pub most_rooms: usize,
}

/// Roles. Every backend promises:
///
/// * `change` compares, changes, records and tells on the room's topic in **one** atomic step. Once
///   it has returned, [`super::log::Log::append`] takes a message by what its author is now.
/// * Whoever has a role in a room that is not public finds it among theirs, until they have none.
#[async_trait]
pub trait Roles: Send + Sync {
    /// `false`: it is not as it was seen to be, and nothing was changed.
    async fn change(&self, change: &Change) -> Result<bool>;

    /// What these users are in a room, in the order asked.
    async fn roles(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Option<RoomRole>>>;

    /// So many of those who have a role in a room, after this user; without one, from the beginning.
    async fn holders(&self, room: &RoomId, after: Option<&UserId>, limit: usize)
    -> Result<Holders>;

    /// The rooms that are not public in which somebody has a role, by id.
    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Membership>>;
}

/// With whom a conversation is that a user is in, if it is one of two.
pub(super) fn peer<'a>(change: &'a Change, user: &UserId) -> Option<&'a UserId> {
    change.act.room.as_ref().filter(|room| room.kind() == Kind::Direct)?;
    change.becomes.iter().map(|(other, _)| other).find(|other| *other != user)
}
