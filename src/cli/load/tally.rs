//! What a worker counts, second by second, in a form that adds up across processes.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Ten minutes: a latency beyond it counts as this long.
const LONGEST_US: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// Latencies in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are in order"))
    }
}

impl Latencies {
    pub(super) fn note(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so everything fits.
        let _ = self.0.add(&other.0);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// In microseconds; 0 if there is none.
    pub(super) fn at(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    pub(super) fn most(&self) -> u64 {
        self.0.max()
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// How many in each bucket of about the same width on a logarithmic scale: upper end, count.
    pub(super) fn buckets(&self) -> Vec<(u64, u64)> {
        let steps = self
            .0
            .iter_log(1, 1.25)
            .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()));
        let mut buckets: Vec<(u64, u64)> = steps.collect();
        let first = buckets.iter().position(|(_, count)| *count > 0).unwrap_or(buckets.len());
        buckets.drain(..first);
        buckets
    }
}

impl Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())),
        )
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(from)? {
            latencies.0.saturating_record_n(value, count);
        }
        Ok(latencies)
    }
}

/// What happened in one second, or in all of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Sessions that got as far as they should: entered, and joined.
    pub(super) connected: u64,
    /// Sessions that left on purpose.
    pub(super) left: u64,
    /// Sessions that came back and got what they had missed.
    pub(super) resumed: u64,
    /// Sessions that came back to a server that does not resume.
    pub(super) returned: u64,
    /// Messages read from history by those that resumed.
    pub(super) caught_up: u64,
    pub(super) sent: u64,
    pub(super) acked: u64,
    pub(super) delivered: u64,
    pub(super) delivered_bytes: u64,
    /// Of those sent and delivered, what fell into the measured time.
    pub(super) sent_within: u64,
    pub(super) delivered_within: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
    /// Messages that nobody was there to send when they were due.
    pub(super) unsent: u64,
    /// What went wrong, by code.
    pub(super) errors: BTreeMap<String, u64>,
    /// From dialling to having joined.
    pub(super) connecting: Latencies,
    /// From when a message was due to its ack.
    pub(super) acks: Latencies,
    /// From when a message was due to each of its deliveries.
    pub(super) deliveries: Latencies,
    /// From when a message was due to when it was written: the tester's own share.
    pub(super) lag: Latencies,
}

impl Tally {
    pub(super) fn error(&mut self, code: &str) {
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else {
            self.errors.insert(code.to_owned(), 1);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.left += other.left;
        self.resumed += other.resumed;
        self.caught_up += other.caught_up;
        self.sent += other.sent;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.sent_within += other.sent_within;
        self.delivered_within += other.delivered_within;
        self.returned += other.returned;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.unsent += other.unsent;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.connecting.add(&other.connecting);
        self.acks.add(&other.acks);
        self.deliveries.add(&other.deliveries);
        self.lag.add(&other.lag);
    }

    /// Takes what was counted, and begins anew.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_counted_adds_up_after_having_been_sent_as_json() {
        let mut one = Tally { sent: 3, ..Tally::default() };
        one.error("rate_limited");
        for us in [100, 2_000, 900_000_000] {
            one.deliveries.note(us);
        }
        let json = serde_json::to_string(&one).unwrap();

        let mut both: Tally = serde_json::from_str(&json).unwrap();
        both.add(&one.take());

        assert_eq!((both.sent, both.errors["rate_limited"], both.errors()), (6, 2, 2));
        assert_eq!(both.deliveries.count(), 6);
        assert!((1_999..=2_001).contains(&both.deliveries.at(0.5)), "{}", both.deliveries.at(0.5));
        assert!(both.deliveries.most() >= LONGEST_US);
        assert_eq!((one.sent, one.errors(), one.deliveries.count()), (0, 0, 0));
    }

    #[test]
    fn buckets_hold_everything_once() {
        let mut latencies = Latencies::default();
        for us in 1..=10_000 {
            latencies.note(us);
        }

        assert_eq!(latencies.buckets().iter().map(|(_, count)| count).sum::<u64>(), 10_000);
    }
}
