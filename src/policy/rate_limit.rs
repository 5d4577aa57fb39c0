//! Token buckets of one connection. Sums over a user's connections and nodes come with accounts.
use std::{
    collections::HashMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use parking_lot::Mutex;

use crate::{
    config::limits::Limits,
    domain::id::RoomId,
    error::{Error, Result},
};

/// "Is typing" is told at most this often per room; it is shown for longer than that.
const TYPING_EVERY: Duration = Duration::from_secs(3);

pub struct Buckets {
    messages: DefaultDirectRateLimiter,
    renames: DefaultDirectRateLimiter,
    typing: Mutex<HashMap<RoomId, Instant>>,
}

impl Buckets {
    pub fn new(limits: &Limits) -> Self {
        let messages = Quota::per_second(limits.message_rate).allow_burst(limits.message_burst);
        let renames =
            Quota::per_minute(limits.renames_per_minute).allow_burst(limits.renames_per_minute);
        Self {
            messages: RateLimiter::direct(messages),
            renames: RateLimiter::direct(renames),
            typing: Mutex::default(),
        }
    }

    pub fn message(&self) -> Result<()> {
        take(&self.messages)
    }

    pub fn rename(&self) -> Result<()> {
        take(&self.renames)
    }

    /// Whether nodes need to be told that it is typing; what comes too soon changes nothing.
    pub fn begins_typing(&self, room: &RoomId) -> bool {
        let mut typing = self.typing.lock();
        // Bounded by the rooms the connection is in; what is over is forgotten here.
        typing.retain(|_, since| since.elapsed() < TYPING_EVERY);
        let news = !typing.contains_key(room);
        if news {
            typing.insert(room.clone(), Instant::now());
        }
        news
    }

    /// Whether it was said to be typing, and now is not.
    pub fn stops_typing(&self, room: &RoomId) -> bool {
        self.typing.lock().remove(room).is_some()
    }
}

fn take(bucket: &DefaultDirectRateLimiter) -> Result<()> {
    bucket.check_n(NonZeroU32::MIN).unwrap_or(Ok(())).map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        Error::RateLimited {
            retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1),
        }
    })
}
