//! What arrives on a WebSocket, counted by the frame before the library sees it: how long a message
//! is not at its end, of how many fragments it is, and how many frames say nothing.
//!
//! The library holds a message until it is whole, and answers each ping; neither it does for ever.
use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::frames::{Frames, Met};

/// Fragments of one message. Stock clients send one; a browser a few for a large one.
const MOST_FRAGMENTS: u32 = 1_024;

/// It has sent too many frames of too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// Pure: it is told what has arrived, and what time it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meter {
    frames: Frames,
    /// When the first byte came of a message, or of a frame, that is not at its end.
    unfinished_since: Option<Instant>,
    fragments: u32,
    idle: Bucket,
}

impl Meter {
    /// `idle`: how many frames that say nothing may come in a second, and at once.
    pub(super) fn new(idle: NonZeroU32, now: Instant) -> Self {
        let idle = Bucket { a_second: idle, full_at: now };
        Self { frames: Frames::default(), unfinished_since: None, fragments: 0, idle }
    }

    /// Where in its frames the stream is.
    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished_since
    }

    /// Goes on over these bytes.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) -> Result<(), TooMany> {
        let Self { frames, unfinished_since, fragments, idle } = self;
        let mut outcome = Ok(());
        frames.follow(bytes, |met| match met {
            Met::Header(header) => {
                if !header.is_control {
                    *fragments += 1;
                }
                // What ends a message may be empty, if it is a fragment.
                let says_nothing = header.is_empty && !header.ends_fragments;
                let is_idle = header.is_control || says_nothing;
                if *fragments > MOST_FRAGMENTS || is_idle && !idle.take(now) {
                    outcome = Err(TooMany);
                }
            }
            Met::Payload(_) | Met::End { is_whole: false } => {}
            Met::End { is_whole: true } => (*unfinished_since, *fragments) = (None, 0),
        });
        if !frames.is_between() {
            unfinished_since.get_or_insert(now);
        }
        outcome
    }
}

/// A token bucket that fills in a second.
#[derive(Debug, PartialEq, Eq)]
struct Bucket {
    a_second: NonZeroU32,
    full_at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let second = Duration::from_secs(1);
        let then = self.full_at.max(now) + second / self.a_second.get();
        let is_taken = then <= now + second;
        if is_taken {
            self.full_at = then;
        }
        is_taken
    }
}

/// When what is not at its end began: told by who reads to who watches, which costs the one a store.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// Milliseconds from `base`, and one; 0: nothing is.
    since: AtomicU64,
    base: Instant,
}

impl Unfinished {
    pub(super) fn new(base: Instant) -> Self {
        Self { since: AtomicU64::new(0), base }
    }

    pub(super) fn set(&self, since: Option<Instant>) {
        self.since.store(since.map_or(0, |since| self.stamp(since)), Relaxed);
    }

    /// If there is something, its time counts from now.
    pub(super) fn begins_anew(&self, now: Instant) {
        let since = self.since.load(Relaxed);
        if since > 0 {
            // If it has changed, somebody reads.
            self.since.compare_exchange(since, self.stamp(now), Relaxed, Relaxed).ok();
        }
    }

    pub(super) fn is_older_than(&self, age: Duration, now: Instant) -> bool {
        let since = self.since.load(Relaxed);
        since > 0 && u128::from(self.stamp(now).saturating_sub(since)) > age.as_millis()
    }

    fn stamp(&self, at: Instant) -> u64 {
        let ms = at.saturating_duration_since(self.base).as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::frames::tests::{MASKED, frame};

    const TEXT: u8 = 0x81;
    const BEGINS: u8 = 0x01;
    const GOES_ON: u8 = 0x00;
    const ENDS: u8 = 0x80;
    const PING: u8 = 0x89;
    const IDLE: NonZeroU32 = NonZeroU32::new(10).unwrap();
    const SECOND: Duration = Duration::from_secs(1);

    fn meter() -> (Meter, Instant) {
        let now = Instant::now();
        (Meter::new(IDLE, now), now)
    }

    /// How many of these are taken, one a read, before it is too many.
    fn taken(meter: &mut Meter, now: Instant, bytes: &[u8]) -> usize {
        (0..10_000).take_while(|_| meter.read(bytes, now).is_ok()).count()
    }

    #[test]
    fn a_message_is_unfinished_from_its_first_byte_to_its_last() {
        let (mut meter, now) = meter();
        let whole = frame(TEXT, MASKED, 300);

        for (n, byte) in whole.iter().enumerate() {
            let since = (n > 0).then_some(now + SECOND);
            assert_eq!(meter.unfinished_since(), since, "{n} bytes have come");
            meter.read(&[*byte], now + SECOND * u32::try_from(n + 1).unwrap()).unwrap();
        }

        assert_eq!(meter.unfinished_since(), None);
    }

    #[test]
    fn fragments_and_pings_between_them_do_not_make_a_message_younger() {
        let (mut meter, now) = meter();

        meter.read(&frame(BEGINS, MASKED, 1), now).unwrap();
        for (n, first) in [GOES_ON, PING, GOES_ON].into_iter().enumerate() {
            meter
                .read(&frame(first, MASKED, 1), now + SECOND * u32::try_from(n + 1).unwrap())
                .unwrap();
            assert_eq!(meter.unfinished_since(), Some(now));
        }
        // Its end, and the beginning of the next in the same read.
        let mut last = frame(ENDS, MASKED, 1);
        last.extend(&frame(TEXT, MASKED, 5)[..3]);
        meter.read(&last, now + SECOND * 9).unwrap();

        assert_eq!(meter.unfinished_since(), Some(now + SECOND * 9));
    }

    #[test]
    fn frames_that_say_nothing_are_taken_so_many_a_second() {
        for idle in [frame(PING, MASKED, 0), frame(PING, MASKED, 125), frame(TEXT, MASKED, 0)] {
            let (mut meter, now) = meter();

            assert_eq!(taken(&mut meter, now, &idle), 10);
            assert_eq!(taken(&mut meter, now + SECOND / 2, &idle), 5);
            assert_eq!(taken(&mut meter, now + SECOND * 100, &idle), 10);
        }
    }

    #[test]
    fn frames_that_say_something_are_not_counted() {
        let (mut meter, now) = meter();

        assert_eq!(taken(&mut meter, now, &frame(TEXT, MASKED, 1)), 10_000);
        // Some clients end what they stream by an empty fragment.
        let streamed = [frame(BEGINS, MASKED, 5), frame(ENDS, MASKED, 0)].concat();
        assert_eq!(taken(&mut meter, now, &streamed), 10_000);
    }

    #[test]
    fn a_message_is_of_so_many_fragments_and_the_next_again() {
        let (mut meter, now) = meter();

        for _ in 0..2 {
            meter.read(&frame(BEGINS, MASKED, 1), now).unwrap();
            for _ in 2..MOST_FRAGMENTS {
                meter.read(&frame(GOES_ON, MASKED, 1), now).unwrap();
            }
            meter.read(&frame(ENDS, MASKED, 1), now).unwrap();
        }
        meter.read(&frame(BEGINS, MASKED, 1), now).unwrap();
        let more = taken(&mut meter, now, &frame(GOES_ON, MASKED, 1));

        assert_eq!(more, usize::try_from(MOST_FRAGMENTS).unwrap() - 1);
    }

    #[test]
    fn what_is_unfinished_has_an_age_which_can_begin_anew() {
        let base = Instant::now();
        let (unfinished, late) = (Unfinished::new(base), base + SECOND * 20);
        let is_older = |age: u32, at: Instant| unfinished.is_older_than(SECOND * age, at);

        unfinished.begins_anew(base);
        assert!(!is_older(0, late));
        unfinished.set(Some(base));
        assert!(is_older(10, late) && !is_older(20, late));
        unfinished.begins_anew(base + SECOND * 15);
        assert!(is_older(4, late) && !is_older(5, late));
        unfinished.set(None);
        assert!(!is_older(0, late));
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_count_is_the_same(
            kinds in prop::collection::vec(
                (
                    prop::sample::select(vec![TEXT, BEGINS, GOES_ON, ENDS, PING, 0x8a, 0x88]),
                    prop::sample::select(vec![0, 1, 5, 125, 126, 300, 66_000]),
                    prop::sample::select(vec![0, MASKED]),
                ),
                0..40,
            ),
            cuts in prop::collection::vec(1..200_usize, 1..20),
            left_out in 0..10_usize,
        ) {
            let mut bytes: Vec<u8> =
                kinds.into_iter().flat_map(|(first, length, mask)| frame(first, mask, length)).collect();
            bytes.truncate(bytes.len().saturating_sub(left_out));
            let (mut whole, now) = meter();
            let mut cut = Meter::new(IDLE, now);

            let at_once = whole.read(&bytes, now);
            let (mut in_pieces, mut rest, mut cuts) = (Ok(()), &bytes[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                in_pieces = in_pieces.and(cut.read(piece, now));
                rest = later;
            }

            prop_assert_eq!((at_once, whole), (in_pieces, cut));
        }
    }
}
