//! Positions in a room's log, and the two rules that keep a reader right: what to do with an
//! entry that arrives, and whether a reader that returns can go on where it was.
use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Invalid,
    id::{Epoch, MessageId},
};

/// The largest number a position may have: JavaScript counts exactly to here.
pub const LAST_SEQ: u64 = (1 << 53) - 1;
/// How many `seq → mid` pairs a reader remembers to tell a repeat from a diverged log.
pub const REMEMBERED: usize = 256;

/// A place in a room's log. Numbers begin at 1 and rise by one within an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    pub epoch: Epoch,
    pub seq: u64,
}

/// A number that a client may name: 0 (before everything) to [`LAST_SEQ`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Seq(u64);

impl Seq {
    pub fn get(self) -> u64 {
        self.0
    }
}
impl TryFrom<u64> for Seq {
    type Error = Invalid;
    fn try_from(seq: u64) -> Result<Self, Invalid> {
        if seq <= LAST_SEQ { Ok(Self(seq)) } else { Err(Invalid("a seq is at most 2^53 - 1")) }
    }
}
impl From<Seq> for u64 {
    fn from(seq: Seq) -> Self {
        seq.0
    }
}

/// The last position a client has applied; what `since` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// `null` from a room nobody had written in.
    pub epoch: Option<Epoch>,
    pub seq: Seq,
    #[serde(default)]
    pub mid: Option<MessageId>,
}

/// Where a room's log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub epoch: Epoch,
    pub seq: u64,
    /// Mid of the last entry; absent only when every entry is gone.
    pub mid: Option<MessageId>,
}

/// What a store knows when a cursor comes back.
#[derive(Debug)]
pub struct Span<'a> {
    pub head: &'a Head,
    /// The oldest number still kept (head + 1 when nothing is).
    pub first: u64,
    /// The mid at the cursor's number, if it is kept.
    pub mid_there: Option<&'a MessageId>,
}

/// Whether a reader that returns can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Everything after the cursor is at hand, and what the reader has is what the log has.
    Continuous,
    /// What came right after the cursor is no longer kept.
    Truncated,
    /// The reader's past is not this log's past.
    Reset(ResetReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ResetReason {
    /// The log began anew.
    EpochChanged,
    /// Another entry stands at a number that was already seen.
    Diverged,
    /// The log ends before what was already seen.
    RolledBack,
}

/// The resume rule: `cursor` against what the log still has.
pub fn continuity(cursor: &Cursor, span: &Span<'_>) -> Continuity {
    let seq = cursor.seq.get();
    match &cursor.epoch {
        // A reader of a room that had no entry adopts whichever epoch its first entry began.
        None if seq == 0 => return after_nothing(span.first),
        None => return Continuity::Reset(ResetReason::EpochChanged),
        Some(epoch) if *epoch != span.head.epoch => {
            return Continuity::Reset(ResetReason::EpochChanged);
        }
        Some(_) => {}
    }
    if seq > span.head.seq {
        return Continuity::Reset(ResetReason::RolledBack);
    }
    if seq == 0 {
        return after_nothing(span.first);
    }
    let there = if seq == span.head.seq { span.head.mid.as_ref() } else { span.mid_there };
    match (&cursor.mid, there) {
        (Some(known), Some(there)) if known != there => Continuity::Reset(ResetReason::Diverged),
        _ if seq == span.head.seq || seq + 1 >= span.first => Continuity::Continuous,
        _ => Continuity::Truncated,
    }
}

fn after_nothing(first: u64) -> Continuity {
    if first <= 1 { Continuity::Continuous } else { Continuity::Truncated }
}

/// What a node does with an entry that arrives for a room it hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next one.
    Deliver,
    /// Had before, the very same.
    Drop,
    /// Not newer, and not known to be the same: the log decides.
    Doubt,
    /// Something before it is missing: read the log first.
    Gap,
    /// The log began anew.
    NewEpoch,
}

/// A reader's place in one room: the epoch, the last number, and the last mids.
#[derive(Debug, Clone, Default)]
pub struct Track {
    epoch: Option<Epoch>,
    last: u64,
    mids: VecDeque<(u64, MessageId)>,
}

impl Track {
    /// Begins at the log's head (`None`: a room nobody has written in).
    pub fn at(head: Option<&Head>) -> Self {
        let mut track = Self::default();
        if let Some(head) = head {
            track.epoch = Some(head.epoch.clone());
            track.last = head.seq;
            track.mids.extend(head.mid.clone().map(|mid| (head.seq, mid)));
        }
        track
    }

    pub fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    /// The mid of the last entry, as far as it is remembered.
    pub fn last_mid(&self) -> Option<&MessageId> {
        self.mid_at(self.last)
    }

    /// Where it stands, as a log's head.
    pub fn head(&self) -> Option<Head> {
        let epoch = self.epoch.clone()?;
        Some(Head { epoch, seq: self.last, mid: self.last_mid().cloned() })
    }

    pub fn mid_at(&self, seq: u64) -> Option<&MessageId> {
        self.mids.iter().rev().find(|(s, _)| *s == seq).map(|(_, mid)| mid)
    }

    /// The reading rule. Does not move.
    pub fn judge(&self, position: &Position, mid: &MessageId) -> Verdict {
        match &self.epoch {
            None if position.seq == 1 => Verdict::Deliver,
            None => Verdict::Gap,
            Some(epoch) if *epoch != position.epoch => Verdict::NewEpoch,
            Some(_) if position.seq == self.last + 1 => Verdict::Deliver,
            Some(_) if position.seq > self.last => Verdict::Gap,
            Some(_) if self.mid_at(position.seq) == Some(mid) => Verdict::Drop,
            Some(_) => Verdict::Doubt,
        }
    }

    /// Moves to an entry. Legal holes (retention) are skipped by whoever read the log.
    pub fn advance(&mut self, position: &Position, mid: &MessageId) {
        if self.epoch.as_ref() != Some(&position.epoch) {
            self.mids.clear();
            self.epoch = Some(position.epoch.clone());
        }
        self.last = position.seq;
        if self.mids.len() == REMEMBERED {
            self.mids.pop_front();
        }
        self.mids.push_back((position.seq, mid.clone()));
    }
}
