//! The port to the log: what was said in each room, numbered, kept, and told in the same step.
use async_trait::async_trait;

use crate::{
    domain::{
        durability::Durability,
        id::{MessageId, RoomId},
        message::{Entry, Message},
        position::{Cursor, Head, Position, ResetReason},
    },
    error::Result,
};

/// The most entries one page holds.
pub const LONGEST_PAGE: usize = 200;
/// The most bytes of entries one page holds; at least one entry is always in it.
pub const LARGEST_PAGE: usize = 256 * 1024;

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub position: Position,
    pub ts: u64,
    /// The same author had sent the same text under the same mid before: this is that one.
    pub dup: bool,
    /// How many nodes were told, where the backend knows.
    pub heard_by: Option<u64>,
}

/// Which page of a room's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The last ones.
    Newest,
    /// The ones right before this number.
    Before(u64),
    /// The ones right after this number.
    After(u64),
    /// Half before, half from this number on.
    Around(u64),
}

/// Entries in rising order, and how they lie in the log.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// `None`: nobody has ever written in this room.
    pub head: Option<Head>,
    /// The oldest number still kept; head + 1 when nothing is, 1 in an unwritten room.
    pub first: u64,
    pub more_before: bool,
    pub more_after: bool,
}

/// A page for somebody who returns.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    pub page: Page,
    /// What came right after the cursor is gone; the page is the newest one.
    pub truncated: bool,
    /// The cursor's past is not this log's past; the page is the newest one.
    pub reset: Option<ResetReason>,
}

/// A room's log. Every backend promises:
///
/// * `append` deduplicates by (room, author, mid), numbers, stores and tells in **one** atomic
///   step. Told order is number order. When it returns `Ok`, the message has the durability the
///   backend is configured for. An error of outcome `unknown` may or may not have happened.
/// * The same mid with the same text again is `dup` with the first position, for the configured
///   idempotency time; with another text it is [`crate::error::Error::IdempotencyConflict`].
/// * Whoever has no role in a room that is not public writes nothing there, whatever the terms:
///   [`crate::error::Error::NotMember`].
/// * Numbers rise by one within an epoch. Retention removes from the front only.
/// * Pages hold at most [`LONGEST_PAGE`] entries and [`LARGEST_PAGE`] bytes, whichever is less.
#[async_trait]
pub trait Log: Send + Sync {
    async fn append(&self, message: &Message) -> Result<Appended>;

    /// What a message survives whose append returned `Ok`, as far as is known now.
    fn durability(&self) -> Durability;

    async fn page(&self, room: &RoomId, range: Range, limit: usize) -> Result<Page>;

    /// The resume rule ([`crate::domain::position::continuity`]) and the page that goes with it.
    async fn since(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Resumed>;

    /// Where each room's log ends, in the order asked. `None`: nobody has written there.
    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<Head>>>;

    /// The mid at a number, if it is kept.
    async fn mid_at(&self, room: &RoomId, seq: u64) -> Result<Option<MessageId>>;

    /// Public rooms somebody has written in, by id, after `after`.
    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>>;
}
