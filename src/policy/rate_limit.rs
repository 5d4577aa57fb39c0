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

/// Who is refused for this long without a pause of [`PAUSE`] does not want to slow down.
const SUSTAINED: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

/// New tokens a minute, and events that nobody knows.
const REFRESHES: NonZeroU32 = NonZeroU32::new(10).unwrap();
const UNKNOWN: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Who has to wait for a join or a page waits at least so long, and then finds several: who comes back
/// asks for many, and is not to be told again and again.
const SHORTEST_WAIT: Duration = Duration::from_secs(2);
/// Refusals of those a second, in the long run and at once. Each of a hundred rooms may ask again when
/// it was told to; more is abuse.
const REFUSALS: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(100).unwrap(), NonZeroU32::new(500).unwrap());
/// Rooms made, conversations begun and roles given, a minute.
const CONTACTS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// A rate above this is none, and the store is spared the counting.
const MOST_COUNTED: u32 = 100_000;
/// Seconds a message may be on its way to the store.
const ON_ITS_WAY: u32 = 2;

/// Refusals in a row: when they began, and the last one.
struct Refusals {
    began: Instant,
    last: Instant,
}

/// What was told of its typing in a room, last.
struct Typed {
    at: Instant,
    on: bool,
}

pub struct Buckets {
    refusals: Mutex<Option<Refusals>>,
    refused: DefaultDirectRateLimiter,
    messages: DefaultDirectRateLimiter,
    joins: DefaultDirectRateLimiter,
    pages: DefaultDirectRateLimiter,
    misses: DefaultDirectRateLimiter,
    /// Until when it may not try another room that may not be there.
    out_of_guesses: Mutex<Option<Instant>>,
    renames: DefaultDirectRateLimiter,
    refreshes: DefaultDirectRateLimiter,
    unknown: DefaultDirectRateLimiter,
    contacts: DefaultDirectRateLimiter,
    paces: (Pace, Pace),
    typing: Mutex<HashMap<RoomId, Typed>>,
    typing_every: Duration,
}

impl Buckets {
    pub fn new(limits: &Limits) -> Self {
        let a_second =
            |rate, burst| RateLimiter::direct(Quota::per_second(rate).allow_burst(burst));
        Self {
            refusals: Mutex::default(),
            refused: a_second(REFUSALS.0, REFUSALS.1),
            messages: a_second(limits.message_rate, limits.message_burst),
            joins: a_second(limits.join_rate, limits.join_burst),
            pages: a_second(limits.history_rate, limits.history_burst),
            misses: RateLimiter::direct(Quota::per_minute(limits.misses_per_minute)),
            out_of_guesses: Mutex::default(),
            renames: RateLimiter::direct(Quota::per_minute(limits.renames_per_minute)),
            refreshes: RateLimiter::direct(Quota::per_minute(REFRESHES)),
            unknown: RateLimiter::direct(Quota::per_minute(UNKNOWN)),
            contacts: RateLimiter::direct(Quota::per_minute(CONTACTS)),
            paces: paces(limits),
            typing: Mutex::default(),
            typing_every: limits.typing_every,
        }
    }

    pub fn message(&self) -> Result<()> {
        take(&self.messages)
    }

    pub fn join(&self) -> Result<()> {
        take_several(&self.joins)
    }

    pub fn page(&self) -> Result<()> {
        take_several(&self.pages)
    }

    /// Called before it is looked whether a room is there: who has tried too many is not told.
    pub fn guess(&self) -> Result<()> {
        let until =
            self.out_of_guesses.lock().and_then(|at| at.checked_duration_since(Instant::now()));
        until.map_or(Ok(()), |wait| Err(limited(wait)))
    }

    /// Called with every room that is not there, or not to be known of.
    pub fn miss(&self) -> Result<()> {
        take(&self.misses).inspect_err(|refusal| {
            if let Error::RateLimited { retry_after_ms } = refusal {
                let wait = Duration::from_millis(*retry_after_ms);
                *self.out_of_guesses.lock() = Instant::now().checked_add(wait);
            }
        })
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
    /// closed. What a client asks of all its rooms at once takes more of them.
    pub fn hold(&self, refusal: &Error, connection: &Connection, is_asked_at_once: bool) {
        if !matches!(refusal, Error::RateLimited { .. }) {
            return;
        }
        let is_abuse = if is_asked_at_once {
            self.refused.check().is_err()
        } else {
            self.is_abused(Instant::now())
        };
        if is_abuse {
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
        let (mut typing, now) = (self.typing.lock(), Instant::now());
        // Bounded by the rooms the connection is in; what is over is forgotten here.
        typing.retain(|_, typed| now.duration_since(typed.at) < self.typing_every);
        let news = !typing.contains_key(room);
        if news {
            typing.insert(room.clone(), Typed { at: now, on: true });
        }
        news
    }

    /// Whether it was said to be typing, and now is not. It is not said again before its time.
    pub fn stops_typing(&self, room: &RoomId) -> bool {
        let mut typing = self.typing.lock();
        typing.get_mut(room).is_some_and(|typed| std::mem::replace(&mut typed.on, false))
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
    bucket
        .check_n(NonZeroU32::MIN)
        .unwrap_or(Ok(()))
        .map_err(|not_until| limited(not_until.wait_time_from(DefaultClock::default().now())))
}

/// The same; what has to wait finds several then.
fn take_several(bucket: &DefaultDirectRateLimiter) -> Result<()> {
    bucket.check_n(NonZeroU32::MIN).unwrap_or(Ok(())).map_err(|not_until| {
        limited(not_until.wait_time_from(DefaultClock::default().now()).max(SHORTEST_WAIT))
    })
}

fn limited(wait: Duration) -> Error {
    // Rounded up: who waits as long as told is not told again.
    let ms = wait.as_micros().div_ceil(1_000);
    Error::RateLimited { retry_after_ms: u64::try_from(ms).unwrap_or(u64::MAX).max(1) }
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
    fn who_comes_back_to_a_hundred_rooms_is_taken_and_who_reads_on_without_end_is_not() {
        let limits = Config::built_in().limits;
        let rooms = u32::try_from(limits.rooms_per_connection).unwrap();
        let buckets = Buckets::new(&limits);

        assert!((0..2 * rooms).all(|_| buckets.join().is_ok() && buckets.page().is_ok()));

        let page = (0..1_000).find_map(|_| buckets.page().err());
        let Some(Error::RateLimited { retry_after_ms }) = page else { panic!("{page:?}") };
        assert!(retry_after_ms >= 2_000, "{retry_after_ms}");
        assert!((0..1_000).any(|_| buckets.join().is_err()));
    }

    #[test]
    fn who_guesses_rooms_is_no_longer_told_whether_they_are_there() {
        let buckets = Buckets::new(&Config::built_in().limits);

        for _ in 0..20 {
            buckets.guess().unwrap();
            buckets.miss().unwrap();
        }
        buckets.guess().unwrap();
        assert!(matches!(buckets.miss(), Err(Error::RateLimited { .. })));
        assert!(matches!(buckets.guess(), Err(Error::RateLimited { .. })));
    }

    #[test]
    fn starting_and_stopping_is_told_once_in_three_seconds() {
        let (buckets, room) = (Buckets::new(&Config::built_in().limits), "lobby".parse().unwrap());

        let told: Vec<bool> = (0..1_000)
            .flat_map(|_| [buckets.begins_typing(&room), buckets.stops_typing(&room)])
            .collect();

        assert_eq!(told.iter().filter(|told| **told).count(), 2);
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
