//! How long nothing could be said: from an attempt that failed to the next that succeeded.
use std::collections::BTreeMap;

use serde::Serialize;

use super::{super::index::Answer, Attempt, Latency};
use crate::records::Micros;

/// From when the first attempt that failed was sent to the first ack of a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Outage {
    pub(crate) from: Micros,
    /// `None`: nothing succeeded any more.
    pub(crate) to: Option<Micros>,
}

impl Outage {
    fn length(&self) -> Micros {
        self.to.map_or(Micros::MAX, |to| to.saturating_sub(self.from))
    }
}

/// The longest outage that one who tries all these sees.
pub(super) fn longest(attempts: &[&Attempt]) -> Option<Outage> {
    let mut attempts = attempts.to_vec();
    attempts.sort_by_key(|attempt| attempt.sent);
    let (mut next_ok, mut longest) = (None::<Micros>, None::<Outage>);
    for attempt in attempts.iter().rev() {
        if let Some((at, ..)) = attempt.ok() {
            next_ok = Some(next_ok.map_or(at, |next| next.min(at)));
        } else if failed(attempt) {
            let outage = Outage { from: attempt.sent, to: next_ok };
            if longest.is_none_or(|longest| outage.length() >= longest.length()) {
                longest = Some(outage);
            }
        }
    }
    longest
}

/// The longest outage of each client that had one and came out of it.
pub(super) fn of_clients(attempts: &[&Attempt]) -> Latency {
    let mut clients: BTreeMap<usize, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        clients.entry(attempt.client).or_default().push(attempt);
    }
    let longest = clients.values().filter_map(|attempts| longest(attempts));
    Latency::of(longest.filter(|outage| outage.to.is_some()).map(|o| o.length()).collect())
}

/// Because something was not there, not because of what was asked.
fn failed(attempt: &Attempt) -> bool {
    match attempt.answer {
        None => true,
        Some((_, Answer::No { code, .. })) => {
            ["unavailable", "internal", "draining"].contains(&code.as_str())
        }
        Some((_, Answer::Ok { .. })) => false,
    }
}
