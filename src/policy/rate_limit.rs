//! Token buckets of one connection; and what the store sees to, over all of a user's connections
//! and all nodes.
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use parking_lot::Mutex;

use crate::{
    config::limits::Limits,
    domain::{
        id::RoomId,
        message::{Pace, Terms},
        moderation::Subject,
    },
    error::{Error, Result},
    rooms::{CloseReason, Connection},
};

/// "Is typing" is told at most this often per room; it is shown for longer than that.
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// Who is refused for this long without a pause of [`PAUSE`] does not want to slow down.
const SUSTAINED: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

/// New tokens a minute, and events that nobody knows.
const REFRESHES: NonZeroU32 = NonZeroU32::new(10).unwrap();
const UNKNOWN: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Rooms made, conversations begun and roles given, a minute; joins that found no room.
const CONTACTS: NonZeroU32 = NonZeroU32::new(60).unwrap();
const MISSES: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// A rate above this is none, and the store is spared the counting.
const MOST_COUNTED: u32 = 100_000;
/// Seconds a message may be on its way to the store.
const ON_ITS_WAY: u32 = 2;

/// Refusals in a row: when they began, and the last one.
struct Refusals {
    began: Instant,
    last: Instant,
}

pub struct Buckets {
    refusals: Mutex<Option<Refusals>>,
    messages: DefaultDirectRateLimiter,
    renames: DefaultDirectRateLimiter,
    refreshes: DefaultDirectRateLimiter,
    unknown: DefaultDirectRateLimiter,
    contacts: DefaultDirectRateLimiter,
    misses: DefaultDirectRateLimiter,
    paces: (Pace, Pace),
    typing: Mutex<HashMap<RoomId, Instant>>,
}

impl Buckets {
    pub fn new(limits: &Limits) -> Self {
        let messages = Quota::per_second(limits.message_rate).allow_burst(limits.message_burst);
        let renames =
            Quota::per_minute(limits.renames_per_minute).allow_burst(limits.renames_per_minute);
        Self {
            refusals: Mutex::default(),
            messages: RateLimiter::direct(messages),
            renames: RateLimiter::direct(renames),
            refreshes: RateLimiter::direct(Quota::per_minute(REFRESHES)),
            unknown: RateLimiter::direct(Quota::per_minute(UNKNOWN)),
            contacts: RateLimiter::direct(Quota::per_minute(CONTACTS)),
            misses: RateLimiter::direct(Quota::per_minute(MISSES)),
            paces: paces(limits),
            typing: Mutex::default(),
        }
    }

    pub fn message(&self) -> Result<()> {
        take(&self.messages)
    }

    pub fn rename(&self) -> Result<()> {
        take(&self.renames)
    }

    pub fn refresh(&self) -> Result<()> {
        take(&self.refreshes)
    }

    /// Called with whatever reaches for somebody else, or is kept for good.
    pub fn contact(&self) -> Result<()> {
        take(&self.contacts)
    }

    /// Called with every room that is not there, or not to be known of: who tries many is guessing.
    pub fn miss(&self) -> Result<()> {
        take(&self.misses)
    }

    /// On what terms a message is taken whose author may be meant by these.
    pub fn terms(&self, known_as: Arc<[Subject]>) -> Terms {
        let (author, room) = self.paces;
        Terms { known_as, author, room }
    }

    /// Called with every event that nobody knows: who goes on sending them is closed.
    pub fn unknown_event(&self, connection: &Connection) {
        if self.unknown.check().is_err() {
            connection.close(CloseReason::RateLimited);
        }
    }

    /// Called with every refusal: who is told to slow down for ten seconds, and does not, is
    /// closed.
    pub fn hold(&self, refusal: &Error, connection: &Connection) {
        if matches!(refusal, Error::RateLimited { .. }) && self.is_abused(Instant::now()) {
            connection.close(CloseReason::RateLimited);
        }
    }

    fn is_abused(&self, now: Instant) -> bool {
        let mut refusals = self.refusals.lock();
        match &mut *refusals {
            Some(row) if now.duration_since(row.last) < PAUSE => {
                row.last = now;
                now.duration_since(row.began) >= SUSTAINED
            }
            none => {
                *none = Some(Refusals { began: now, last: now });
                false
            }
        }
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

/// What the store sees to, for all nodes together. An author's messages may reach it closer
/// together than they left the node; so it allows for as long as a command may take.
fn paces(limits: &Limits) -> (Pace, Pace) {
    let rate = limits.message_rate.get();
    let room = Pace::per_second(limits.room_message_rate, limits.room_message_rate);
    if rate > MOST_COUNTED {
        return (Pace::default(), room);
    }
    let burst = limits.message_burst.get().saturating_add(rate.saturating_mul(ON_ITS_WAY));
    (Pace::per_second(rate, burst), room)
}

fn take(bucket: &DefaultDirectRateLimiter) -> Result<()> {
    bucket.check_n(NonZeroU32::MIN).unwrap_or(Ok(())).map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        // Rounded up: who waits as long as told is not told again.
        let ms = wait.as_micros().div_ceil(1_000);
        Error::RateLimited { retry_after_ms: u64::try_from(ms).unwrap_or(u64::MAX).max(1) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn who_waits_as_long_as_told_is_not_told_again() {
        let buckets = Buckets::new(&Config::built_in().limits);
        for _ in 0..20 {
            let wait = loop {
                if let Err(Error::RateLimited { retry_after_ms }) = buckets.message() {
                    break Duration::from_millis(retry_after_ms);
                }
            };
            std::thread::sleep(wait);
            buckets.message().unwrap();
        }
    }

    #[test]
    fn only_who_is_refused_for_ten_seconds_without_a_pause_is_held_to_abuse() {
        let begin = Instant::now();
        let after = |s| begin + Duration::from_secs(s);
        let stubborn = Buckets::new(&Config::built_in().limits);
        let patient = Buckets::new(&Config::built_in().limits);

        let held: Vec<bool> = (0..=10).map(|s| stubborn.is_abused(after(s))).collect();
        let spared: Vec<bool> = (0..=10).map(|s| patient.is_abused(after(s * 3))).collect();

        assert_eq!(held.iter().position(|h| *h), Some(10));
        assert!(!spared.contains(&true));
    }
}
