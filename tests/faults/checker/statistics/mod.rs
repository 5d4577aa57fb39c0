//! What a run amounts to in numbers: for the report, and for bounds that are a scenario's own.
mod latency;
mod outage;
mod returns;

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use serde::Serialize;

pub(crate) use self::{latency::Latency, outage::Outage};
use super::{
    Check,
    index::{Answer, Attempt, Sending},
    log_v1_v4,
};
use crate::records::{Event, Line, Micros, Name};

/// Of which time and which clients.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) time: Range<Micros>,
    /// `None`: all.
    pub(crate) clients: Option<HashSet<Name>>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { time: 0..Micros::MAX, clients: None }
    }
}

/// Numbers of one run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Statistics {
    /// Messages, however often each was tried.
    pub(crate) offered: u64,
    pub(crate) attempts: u64,
    /// Messages that were acked.
    pub(crate) acked: u64,
    /// Acks that said `dup`.
    pub(crate) dups: u64,
    /// Attempts refused, by code.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Attempts without an answer.
    pub(crate) unanswered: u64,
    /// Messages never acked that may have been taken, and how many of them were.
    pub(crate) unknown: u64,
    pub(crate) unknown_taken: u64,
    /// Messages acked that are not there, unless retention took them.
    pub(crate) lost: u64,
    /// Of the whole run: messages that stand twice in a log or a list, and what is out of order in
    /// either.
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    /// Of the whole run: lists that were reset or cut off; raw arrivals that repeat or leave out.
    pub(crate) resets: u64,
    pub(crate) truncations: u64,
    pub(crate) repeats: u64,
    pub(crate) leaps: u64,
    /// From an attempt to its ack, and to its refusal.
    pub(crate) to_ack: Latency,
    pub(crate) to_refusal: Latency,
    /// From a message's first attempt to its first ack: what a person waits.
    pub(crate) to_success: Latency,
    /// From the attempt that was taken to a list, for members that were there when it was sent.
    pub(crate) to_delivery: Latency,
    /// The longest time from an attempt that failed to the next success, of anybody; and of each
    /// client that had a failure.
    pub(crate) outage: Option<Outage>,
    pub(crate) client_outages: Latency,
    /// From a lost connection until all rooms were joined again, and until all was caught up.
    pub(crate) back: Latency,
    pub(crate) complete: Latency,
    /// Clients that had not caught up when the run, or the time looked at, ended.
    pub(crate) never_complete: u64,
    pub(crate) seconds: Vec<Second>,
}

/// One second of a run, by when things were sent.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Second {
    pub(crate) number: u64,
    pub(crate) attempts: u64,
    pub(crate) acked: u64,
    pub(crate) failed: u64,
    pub(crate) to_ack: Latency,
    pub(crate) to_delivery: Latency,
}

/// Times that something took, with when it began.
#[derive(Default)]
struct Times {
    /// (Began, took.)
    all: Vec<(Micros, Micros)>,
}

impl Times {
    fn add(&mut self, from: Micros, to: Micros) {
        self.all.push((from, to.saturating_sub(from)));
    }

    fn latency(&self) -> Latency {
        Latency::of(self.all.iter().map(|(_, took)| *took).collect())
    }

    fn by_second(&self) -> BTreeMap<u64, Latency> {
        let mut seconds: BTreeMap<u64, Vec<Micros>> = BTreeMap::new();
        for (began, took) in &self.all {
            seconds.entry(began / 1_000_000).or_default().push(*took);
        }
        seconds.into_iter().map(|(second, times)| (second, Latency::of(times))).collect()
    }
}

impl Statistics {
    pub(super) fn new(check: &Check<'_>, of: &Selection) -> Self {
        let mut statistics = Self::default();
        statistics.of_the_run(check);
        let selected: Vec<bool> = (0..check.index.run.clients.len())
            .map(|client| {
                let name = check.index.name(client);
                of.clients.as_ref().is_none_or(|clients| clients.contains(&name))
            })
            .collect();
        let attempts = check.index.attempts.iter();
        let attempts: Vec<&Attempt> = attempts
            .filter(|attempt| selected[attempt.client] && of.time.contains(&attempt.sent))
            .collect();
        let acks = statistics.count_attempts(&attempts);
        statistics.count_messages(check, of, &selected);
        let deliveries = deliveries(check, of, &selected);
        statistics.to_delivery = deliveries.latency();
        statistics.seconds = seconds(&attempts, &acks, &deliveries);
        statistics.outage = outage::longest(&attempts);
        statistics.client_outages = outage::of_clients(&attempts);
        let returns = returns::returns(&check.index, of, &selected);
        statistics.back = Latency::of(returns.back);
        statistics.complete = Latency::of(returns.complete);
        statistics.never_complete = returns.never_complete;
        statistics
    }

    fn of_the_run(&mut self, check: &Check<'_>) {
        let counts = &check.counts;
        let histories = check.logs.last.values();
        let in_logs: usize = histories.map(|history| log_v1_v4::doubles(history).len()).sum();
        self.doubled = in_logs as u64 + counts.twice;
        self.out_of_order = counts.out_of_order + log_v1_v4::backward(&check.index);
        let orders = [super::Invariant::V6, super::Invariant::V7];
        let broken = orders.map(|invariant| check.verdict.of(invariant).broken);
        self.out_of_order += broken.iter().sum::<u64>();
        self.resets = counts.resets;
        self.truncations = counts.truncations;
        self.repeats = counts.repeats;
        self.leaps = counts.leaps;
    }

    fn count_attempts(&mut self, attempts: &[&Attempt]) -> Times {
        let (mut acks, mut refusals) = (Times::default(), Times::default());
        self.attempts = attempts.len() as u64;
        for attempt in attempts {
            match attempt.answer {
                Some((at, Answer::Ok { dup, .. })) => {
                    acks.add(attempt.sent, at);
                    self.dups += u64::from(dup);
                }
                Some((at, Answer::No { code, .. })) => {
                    refusals.add(attempt.sent, at);
                    *self.refused.entry(code.as_str()).or_default() += 1;
                }
                None => self.unanswered += 1,
            }
        }
        self.to_ack = acks.latency();
        self.to_refusal = refusals.latency();
        acks
    }

    fn count_messages(&mut self, check: &Check<'_>, of: &Selection, selected: &[bool]) {
        let mut successes = Times::default();
        for sending in &check.index.sendings {
            let is_selected = of.time.contains(&sending.first_sent)
                && check.index.attempts_of(sending).any(|attempt| selected[attempt.client]);
            if !is_selected {
                continue;
            }
            self.offered += 1;
            let place = check.logs.place(&sending.mid);
            let mut oks = check.index.attempts_of(sending).filter_map(Attempt::ok);
            if let Some((at, epoch, seq)) = oks.next() {
                self.acked += 1;
                let first = oks.map(|(at, ..)| at).fold(at, Micros::min);
                successes.add(sending.first_sent, first);
                let last = check.logs.last.get(&sending.room);
                let is_trimmed = last.is_some_and(|l| l.epoch == Some(epoch) && seq < l.first);
                self.lost += u64::from(place.is_none() && !is_trimmed);
            } else if check.index.attempts_of(sending).any(Attempt::may_have_happened) {
                self.unknown += 1;
                self.unknown_taken += u64::from(place.is_some());
            }
        }
        self.to_success = successes.latency();
    }
}

/// From the attempt that was taken to each list of a member that was there when it was made. What
/// a client missed while it was away is not here but in [`Statistics::complete`].
fn deliveries(check: &Check<'_>, of: &Selection, selected: &[bool]) -> Times {
    let mut times = Times::default();
    for (client, _) in selected.iter().enumerate().filter(|(_, is_selected)| **is_selected) {
        let has_rule = check.index.run.clients[client].client.rule;
        // Since when it has been in which room.
        let mut joined: Vec<(Name, Micros)> = Vec::new();
        for record in check.index.records(client) {
            match &record.event {
                Event::Joined { page, .. } => {
                    joined.retain(|(room, _)| *room != page.room);
                    joined.push((page.room, record.at));
                }
                Event::Disconnected { .. } => joined.clear(),
                Event::Heard { line, applied } if *applied || !has_rule => {
                    delivered(check, of, (line, record.at), &joined, &mut times);
                }
                Event::Applied { line } => {
                    delivered(check, of, (line, record.at), &joined, &mut times);
                }
                _ => {}
            }
        }
    }
    times
}

fn delivered(
    check: &Check<'_>,
    of: &Selection,
    (line, at): (&Line, Micros),
    joined: &[(Name, Micros)],
    times: &mut Times,
) {
    let since = joined.iter().find(|(room, _)| *room == line.room).map(|(_, since)| *since);
    let (Some(since), Some(sending)) = (since, check.index.sending(&line.mid)) else { return };
    let sent = taken(check, sending);
    if sent >= since && of.time.contains(&sent) {
        times.add(sent, at);
    }
}

/// When the attempt was made that put a message into the log.
fn taken(check: &Check<'_>, sending: &Sending) -> Micros {
    let mut attempts = check.index.attempts_of(sending);
    let taken =
        attempts.find(|attempt| matches!(attempt.answer, Some((_, Answer::Ok { dup: false, .. }))));
    taken.map_or(sending.first_sent, |attempt| attempt.sent)
}

fn seconds(attempts: &[&Attempt], acks: &Times, deliveries: &Times) -> Vec<Second> {
    let mut seconds = Seconds::default();
    for attempt in attempts {
        let second = seconds.of(attempt.sent / 1_000_000);
        second.attempts += 1;
        match attempt.ok() {
            Some(_) => second.acked += 1,
            None => second.failed += 1,
        }
    }
    for (second, latency) in acks.by_second() {
        seconds.of(second).to_ack = latency;
    }
    for (second, latency) in deliveries.by_second() {
        seconds.of(second).to_delivery = latency;
    }
    seconds.all.into_values().collect()
}

#[derive(Default)]
struct Seconds {
    all: BTreeMap<u64, Second>,
}

impl Seconds {
    fn of(&mut self, second: u64) -> &mut Second {
        self.all.entry(second).or_insert_with(|| Second { number: second, ..Second::default() })
    }
}
