//! What all connections of a worker share: the plan, the words, the counters, the clock.
use std::{ops::Range, sync::Arc};

use mio::Registry;

use super::{account::Stream, clock, mark::Mark, plan::Plan, tally::Tally, words::Words};

/// Enough for a burst of many frames in one read; all connections read into the same one.
const SCRATCH: usize = 256 << 10;

pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) words: Words,
    pub(super) registry: Registry,
    pub(super) tally: Tally,
    /// Microseconds of the run.
    pub(super) now: u64,
    pub(super) scratch: Vec<u8>,
    /// What this process sent, by room.
    pub(super) streams: Vec<Stream>,
    pub(super) stream: u8,
    /// When what is due, or arrives, counts.
    pub(super) window: Range<u64>,
    /// Connections that joined at least once.
    pub(super) joined: usize,
    /// Messages answered since the worker last looked.
    pub(super) answered: u32,
    random: u64,
}

impl Shared {
    pub(super) fn new(plan: Arc<Plan>, stream: u8, registry: Registry) -> Self {
        let mut shared = Self {
            words: Words::new(&plan),
            registry,
            tally: Tally::default(),
            now: 0,
            scratch: vec![0; SCRATCH],
            streams: vec![Stream::default(); plan.accounts()],
            stream,
            window: u64::MAX..u64::MAX,
            joined: 0,
            answered: 0,
            random: mix(plan.seed ^ u64::from(stream)),
            plan,
        };
        shared.look_at_the_clock();
        shared
    }

    pub(super) fn look_at_the_clock(&mut self) {
        self.now = clock::now_us().saturating_sub(self.plan.zero_us);
    }

    /// The same for the same seed.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random)
    }

    /// Below `end`, which is not 0.
    pub(super) fn random_below(&mut self, end: usize) -> usize {
        usize::try_from(self.random() % (end as u64)).unwrap_or(0)
    }

    /// Whether a connection belongs to a share of them.
    pub(super) fn picks(&self, connection: u32, share: f64, salt: u64) -> bool {
        let random = mix(self.plan.seed ^ mix(u64::from(connection) << 8 | salt));
        #[expect(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
        let at = (random >> 11) as f64 / (1_u64 << 53) as f64;
        at < share
    }

    /// A message was refused or never acknowledged: nobody is owed it.
    pub(super) fn void(&mut self, mark: &Mark) {
        if let Some(stream) = self.streams.get_mut(usize::from(mark.room)) {
            stream.void.push(mark.number);
        }
    }

    pub(super) fn acked_after(&mut self, due: u64) {
        self.tally.acked += 1;
        self.answered += 1;
        if self.window.contains(&due) {
            self.tally.acks.note(self.now.saturating_sub(due));
        }
    }

    pub(super) fn delivered(&mut self, bytes: usize) {
        self.tally.delivered += 1;
        self.tally.delivered_bytes += bytes as u64;
        if self.window.contains(&self.now) {
            self.tally.delivered_within += 1;
        }
    }

    pub(super) fn delivered_after(&mut self, due: u64) {
        if self.window.contains(&due) {
            self.tally.deliveries.note(self.now.saturating_sub(due));
        }
    }
}

/// Spreads a number over all bits.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
