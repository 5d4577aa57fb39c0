//! How fast each author, and each room, has spoken: in memory, because a node that starts again has
//! nothing to slow down yet.
use std::collections::HashMap;

use crate::{
    clock,
    domain::{
        id::{RoomId, UserId},
        message::{Message, Pace},
    },
    error::{Error, Result},
};

/// How many are kept; at more, those that are over are forgotten, and else all: for a moment
/// everybody may speak.
const MOST: usize = 100_000;

/// Until when, in µs, what was said is spoken for; by room, and author or (`None`) all of them.
#[derive(Default)]
pub(super) struct Paces(HashMap<(RoomId, Option<UserId>), u64>);

impl Paces {
    /// Takes what a message costs, or nothing. `pause_ms`: the room's slow mode, if it is on for
    /// this author.
    pub(super) fn take(&mut self, message: &Message, pause_ms: u64) -> Result<()> {
        let now = clock::now_ms() * 1_000;
        let is_slow = pause_ms > 0;
        let author = if is_slow {
            Pace { every_us: pause_ms * 1_000, burst: 1 }
        } else {
            message.terms.author
        };
        let room = message.terms.room;
        let mine = (message.room.clone(), Some(message.author.user().clone()));
        let all = (message.room.clone(), None);
        let refused = |retry_after_ms| {
            if is_slow {
                Error::SlowMode { retry_after_ms }
            } else {
                Error::RateLimited { retry_after_ms }
            }
        };
        let my_time = self.time(&mine, author, now).map_err(refused)?;
        let room_time = self
            .time(&all, room, now)
            .map_err(|retry_after_ms| Error::RateLimited { retry_after_ms })?;
        self.make_room(now);
        for (key, time) in [(mine, my_time), (all, room_time)] {
            if let Some(time) = time {
                self.0.insert(key, time);
            }
        }
        Ok(())
    }

    /// What it would be after one more; `Err`: the ms to wait before.
    fn time(
        &self,
        key: &(RoomId, Option<UserId>),
        pace: Pace,
        now: u64,
    ) -> Result<Option<u64>, u64> {
        if pace.every_us == 0 {
            return Ok(None);
        }
        let taken = self.0.get(key).copied().unwrap_or(0).max(now);
        let in_advance = pace.every_us.saturating_mul(pace.burst - 1);
        match (taken - now).saturating_sub(in_advance) {
            0 => Ok(Some(taken + pace.every_us)),
            early => Err(early.div_ceil(1_000)),
        }
    }

    fn make_room(&mut self, now: u64) {
        if self.0.len() >= MOST {
            self.0.retain(|_, taken| *taken > now);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
    }
}
