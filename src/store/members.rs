//! The port to membership and presence: who is in a room, and who is online, which is the same
//! thing for a room that everybody is in.
use async_trait::async_trait;

use crate::{
    domain::{
        id::{ConnectionId, NodeId, UserId},
        presence::{Diff, Member, Person},
        room::Place,
    },
    error::Result,
};

/// Whether this node still counts as alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    Held,
    /// It had run out, so others may have declared this node dead: enter everything again.
    Fenced,
}

/// One page of the users in a place, by user id.
#[derive(Debug, Clone, Default)]
pub struct People {
    pub people: Vec<Person>,
    /// Ask again from here; `None`: that was all.
    pub cursor: Option<String>,
    /// Users in the place now.
    pub count: u64,
}

/// Membership under node leases. Every backend promises:
///
/// * A user is in a place while one of its connections is; a second one changes nothing.
/// * `enter`, `leave`, `sweep` and `reap` change one place in one atomic step and tell its room
///   the difference (0 → 1 joined, 1 → 0 left) in the same step, if there is one.
/// * Sets, not counters: doing a thing twice is doing it once.
/// * A lease that is not renewed runs out on the store's own clock; any node may then reap.
#[async_trait]
pub trait Members: Send + Sync {
    /// Puts a connection of this node into a place; again with another name renames it.
    async fn enter(&self, place: &Place, member: &Member) -> Result<Diff>;

    /// Takes it out. With `grace`, a user whose last connection this was stays for the configured
    /// time, and if it returns meanwhile nobody hears of it.
    async fn leave(&self, place: &Place, member: &Member, grace: bool) -> Result<Diff>;

    /// Ends the grace of those whose time has come, in one place.
    async fn sweep(&self, place: &Place) -> Result<Diff>;

    /// Makes what the store holds of this node in a place exactly this.
    async fn assert(&self, place: &Place, members: &[Member]) -> Result<Diff>;

    /// Users in a place, by id, after `cursor`.
    async fn people(&self, place: &Place, cursor: Option<&str>, limit: usize) -> Result<People>;

    /// Which of these users are in a place, in the order asked.
    async fn present(&self, place: &Place, users: &[UserId]) -> Result<Vec<bool>>;

    /// Named members of a place that came through a tutorial's dialect and their names, in the
    /// order they came, at most `limit`.
    async fn classic(&self, place: &Place, limit: usize) -> Result<Vec<(ConnectionId, String)>>;

    /// Connections of a user in a place: (node, connection).
    async fn connections(
        &self,
        place: &Place,
        user: &UserId,
    ) -> Result<Vec<(NodeId, ConnectionId)>>;

    /// Renews this node's lease.
    async fn renew(&self) -> Result<Lease>;

    /// Takes out what at most one dead node left behind, without grace; that node, if there was one.
    async fn reap(&self) -> Result<Option<NodeId>>;

    /// Takes out everything of this node and its lease: the last thing it does.
    async fn retire(&self) -> Result<()>;
}
