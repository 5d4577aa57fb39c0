//! How much one session has been sent and not yet written, and how old the oldest of it is.
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A new mark each time this much has been pushed: precise enough for an age, few enough to keep.
const MARK_EVERY: u64 = 16 * 1024;

/// Counts bytes as they are pushed and as they are written. What is written includes framing that
/// was not counted when pushed, so the sum runs ahead a little; each flush puts it right.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pushed: u64,
    written: u64,
    /// (pushed before this, when): the oldest unsent byte is no older than the first mark.
    marks: VecDeque<(u64, Instant)>,
}

impl Backlog {
    pub(super) fn unsent(&self) -> u64 {
        self.pushed - self.written
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.marks.front().map_or(Duration::ZERO, |(_, at)| now.duration_since(*at))
    }

    pub(super) fn push(&mut self, bytes: usize, now: Instant) {
        if self.marks.back().is_none_or(|(at, _)| self.pushed - at >= MARK_EVERY) {
            self.marks.push_back((self.pushed, now));
        }
        self.pushed += bytes as u64;
    }

    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = (self.written + bytes as u64).min(self.pushed);
        while self.marks.get(1).is_some_and(|(at, _)| *at <= self.written) {
            self.marks.pop_front();
        }
        if self.written == self.pushed {
            self.marks.clear();
        }
    }

    /// Everything that was pushed has been written.
    pub(super) fn flushed(&mut self) {
        self.written = self.pushed;
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_oldest_unsent_byte() {
        let start = Instant::now();
        let later = |s| start + Duration::from_secs(s);
        let mut backlog = Backlog::default();

        backlog.push(20_000, start);
        backlog.push(20_000, later(5));

        assert_eq!(backlog.unsent(), 40_000);
        assert_eq!(backlog.age(later(8)), Duration::from_secs(8));
        backlog.wrote(25_000);
        assert_eq!(backlog.age(later(8)), Duration::from_secs(3));
        backlog.wrote(99_000);
        assert_eq!((backlog.unsent(), backlog.age(later(8))), (0, Duration::ZERO));
    }
}
