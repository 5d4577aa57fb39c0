//! Which of a node's rooms are to be looked into again: a word of what was decided there may be lost.
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::domain::id::RoomId;

/// When each room was looked into, and what was its version. Bounded by the rooms that are hosted.
pub(super) struct Looks {
    every: Duration,
    seen: HashMap<RoomId, (Instant, u64)>,
}

impl Looks {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, seen: HashMap::new() }
    }

    /// All are to be looked into again.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Those that have not been looked into for a while.
    pub(super) fn due(&mut self, open: Vec<RoomId>, now: Instant) -> Vec<RoomId> {
        let mut before = std::mem::take(&mut self.seen);
        let (mut due, every) = (Vec::new(), self.every);
        for room in open {
            let seen = before.remove(&room);
            if seen.is_none_or(|(at, _)| now.duration_since(at) >= every) {
                due.push(room.clone());
            }
            self.seen.extend(seen.map(|seen| (room, seen)));
        }
        due
    }

    /// A room was looked into, and was at this version.
    pub(super) fn has_seen(&mut self, room: &RoomId, version: u64) {
        self.seen.insert(room.clone(), (Instant::now(), version));
    }

    /// Whether something was decided since; in a room not looked into before, whether ever.
    pub(super) fn is_news(&self, room: &RoomId, version: u64) -> bool {
        self.seen.get(room).map_or(0, |(_, version)| *version) != version
    }
}
