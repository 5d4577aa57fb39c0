//! The end of a room's log in memory: read once and then heard, for the many who come back at once
//! and all ask for it.
//!
//! What it says is what the log would say, because the room's position is dense: all that is kept
//! after `after`, up to the position, is here. Whoever is in the room hears what comes after the
//! position, so who reads here once it is in misses nothing.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::tail::{Past, Retention, Tail, Want};
use crate::domain::message::Entry;

/// The most one room may have in memory; who asks for more reads the log.
pub(super) const MOST_ENTRIES: usize = 4_000;
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most all rooms of a node may have; beyond, a room has nothing.
const MOST_OF_ALL: usize = 64 * 1024 * 1024;
/// For so long after the log was looked into, the position counts for its end. Word of an entry
/// that was lost is noticed by then.
const TRUSTED: Duration = Duration::from_secs(10);
/// What the log had when it was looked into has been heard by then, or this node is deaf.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// For so long it is kept after somebody asked for it.
const KEPT: Duration = Duration::from_secs(30);

pub(super) fn is_too_much(tail: &Tail) -> bool {
    tail.len() > MOST_ENTRIES || tail.bytes() > MOST_BYTES
}

/// What all rooms of a node have in memory together.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// One room's part of it; given back when dropped.
#[derive(Debug)]
struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// `false`: there is not so much left.
    fn becomes(&mut self, bytes: usize) -> bool {
        let all = &self.budget.0;
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            all.fetch_sub(before - bytes, Ordering::Relaxed);
            return true;
        }
        all.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before) <= MOST_OF_ALL
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A room's end, kept while it is asked for, and for how long it can be trusted.
#[derive(Debug)]
pub(super) struct Recent {
    tail: Tail,
    share: Share,
    looked: Instant,
    /// Where the log ended then.
    promised: u64,
    used: Instant,
}

impl Recent {
    /// `promised`: where the log ended just now. `None`: it is more than can be kept.
    pub(super) fn new(tail: Tail, promised: u64, budget: &Budget, now: Instant) -> Option<Self> {
        let share = Share { budget: budget.clone(), bytes: 0 };
        let mut recent = Self { tail, share, looked: now, promised, used: now };
        recent.fits().then_some(recent)
    }

    fn fits(&mut self) -> bool {
        self.share.becomes(self.tail.bytes()) && !is_too_much(&self.tail)
    }

    /// The next entry; `false`: that is more than can be kept.
    pub(super) fn hear(&mut self, entry: &Arc<Entry>) -> bool {
        self.tail.hear(entry);
        self.fits()
    }

    /// What was read before it is put before it; `false`: that is more than can be kept.
    pub(super) fn reaches_back(&mut self, before: Tail) -> bool {
        self.tail.prepend(before);
        self.fits()
    }

    /// The log was looked into again, and this is its end.
    pub(super) fn renew(&mut self, promised: u64, first: u64, now: Instant) {
        (self.promised, self.looked) = (promised, now);
        self.tail.begins_at(first);
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(super) fn give(
        &mut self,
        want: Want<'_>,
        limit: usize,
        (retention, now_ms): (&Retention, u64),
    ) -> Option<Past> {
        self.used = Instant::now();
        self.tail.give(want, limit, (retention, now_ms))
    }

    pub(super) fn is_trusted(&self, now: Instant) -> bool {
        let age = now.duration_since(self.looked);
        age < TRUSTED && !(age > HEARD_WITHIN && self.is_deaf())
    }

    /// Whether something that the log had is still not heard.
    pub(super) fn is_deaf(&self) -> bool {
        self.tail.head().map_or(0, |head| head.seq) < self.promised
    }

    pub(super) fn is_unused(&self, now: Instant) -> bool {
        now.duration_since(self.used) > KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::position::Head, store::log::Page};

    /// The end of a log of which only the head is known: heard up to here.
    fn heard_up_to(seq: u64) -> Tail {
        let head = Some(Head { epoch: "an-epoch".parse().unwrap(), seq, mid: None });
        Tail::of(seq, Page { head, first: 1, ..Page::default() })
    }

    #[test]
    fn it_is_trusted_for_a_while_and_not_when_what_was_promised_is_not_heard() {
        let (now, budget) = (Instant::now(), Budget::default());
        let in_time = Recent::new(heard_up_to(7), 7, &budget, now).unwrap();
        let mut late = Recent::new(heard_up_to(7), 8, &budget, now).unwrap();
        let after = |seconds| now + Duration::from_secs(seconds);

        assert!(in_time.is_trusted(after(9)) && !in_time.is_trusted(after(10)));
        assert!(late.is_trusted(after(1)) && !late.is_trusted(after(2)));
        assert!(late.is_deaf() && !in_time.is_deaf());
        late.renew(7, 1, after(2));
        assert!(late.is_trusted(after(11)));
    }

    #[test]
    fn rooms_share_what_memory_there_is() {
        let budget = Budget::default();
        let share = || Share { budget: budget.clone(), bytes: 0 };
        let (mut one, mut other) = (share(), share());

        assert!(one.becomes(MOST_OF_ALL));
        assert!(!other.becomes(1));
        drop(other);
        assert!(one.becomes(MOST_OF_ALL - 1) && share().becomes(1));
        drop(one);
        assert!(share().becomes(MOST_OF_ALL));
    }
}
