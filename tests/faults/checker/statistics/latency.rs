//! How long something took: so many times, half of them, nearly all, and the longest.
use std::fmt;

use serde::Serialize;

use crate::records::Micros;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50: Micros,
    pub(crate) p99: Micros,
    pub(crate) max: Micros,
}

impl Latency {
    pub(super) fn of(mut times: Vec<Micros>) -> Self {
        times.sort_unstable();
        // The smallest that so many of a hundred do not exceed.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self {
            count: times.len() as u64,
            p50: percentile(50),
            p99: percentile(99),
            max: times.last().copied().unwrap_or_default(),
        }
    }
}

/// In milliseconds, or a dash if there is nothing to tell.
impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.write_str("–");
        }
        let ms = |time: Micros| format!("{}.{}", time / 1_000, time % 1_000 / 100);
        write!(f, "{} / {} / {} ms", ms(self.p50), ms(self.p99), ms(self.max))
    }
}
