//! V11 and V12: nodes live, without panics or errors, and after healing hold no more than before.
use std::collections::BTreeSet;

use super::{
    Exit, Facts, Invariant, Phase, ProcessSample, StoreSample, Target, What,
    index::{Index, seconds},
    verdict::{Judgement, Ruling},
};
use crate::records::{Micros, Name};

/// V11: no node exits unless it was killed, or was told to and does so in time and with 0; none
/// panics; none logs an ERROR that the scenario does not expect.
pub(super) fn nodes_live(index: &Index<'_>) -> Judgement {
    let facts = &index.run.facts;
    let mut judgement = Judgement::new(Invariant::V11, &facts.permissions);
    let nodes: BTreeSet<Name> = index.sessions.iter().map(|session| session.node).collect();
    judgement.examine(nodes.len() + facts.exits.len());
    for exit in facts.exits.iter().filter(|exit| exit.at <= facts.ended) {
        if let Some(how) = unexpected(facts, exit) {
            judgement.broken(|| format!("{} exited at {}: {how}", exit.node, seconds(exit.at)));
        }
    }
    for (node, at) in still_running(facts) {
        judgement.broken(|| format!("{node} still runs, told to end at {}", seconds(at)));
    }
    let allowed = &facts.permissions.error_lines;
    for line in &facts.log_lines {
        let is_panic = line.text.contains("panicked at");
        let is_allowed = allowed.iter().any(|part| {
            line.text.contains(part.as_str()) && (!is_panic || part.contains("panicked at"))
        });
        if !is_allowed {
            judgement.broken(|| format!("{} logged: {}", line.node, line.text));
        }
    }
    judgement
}

/// What was last done to a node's process at a time.
fn last_done(facts: &Facts, node: Name, until: Micros) -> Option<(Micros, What)> {
    let done = facts.faults.iter().rev().find(|fault| {
        let is_end = matches!(fault.what, What::Killed | What::Terminated | What::Started);
        is_end && fault.target == Target::Node(node) && fault.at <= until
    });
    done.map(|fault| (fault.at, fault.what))
}

fn unexpected(facts: &Facts, exit: &Exit) -> Option<String> {
    let code = exit.code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
    match last_done(facts, exit.node, exit.at) {
        Some((_, What::Killed)) => None,
        Some((at, What::Terminated)) => {
            let took = exit.at - at;
            let is_right = exit.code == Some(0) && took <= facts.permissions.drain_within;
            (!is_right).then(|| format!("{code}, {} after it was told to end", seconds(took)))
        }
        _ => Some(format!("{code}, and nobody ended it")),
    }
}

/// Nodes that were told to end, had the time to, and have not.
fn still_running(facts: &Facts) -> Vec<(Name, Micros)> {
    let told = facts.faults.iter().filter_map(|fault| match (fault.target, fault.what) {
        (Target::Node(node), What::Terminated) => Some((node, fault.at)),
        _ => None,
    });
    told.filter(|(node, at)| {
        let is_over = |exit: &Exit| exit.node == *node && exit.at >= *at;
        let is_killed = last_done(facts, *node, facts.ended).is_some_and(|(done, _)| done > *at);
        facts.ended - at > facts.permissions.drain_within
            && !is_killed
            && !facts.exits.iter().any(is_over)
    })
    .collect()
}

/// What is looked at of a sample.
type Look<T> = fn(&T) -> Option<u64>;

/// V12: what the nodes and the store hold when settled is what they held at the baseline. Clients
/// that were cut off come back at other nodes, so what all nodes hold together is compared; the lag
/// is each node's own.
pub(super) fn all_is_given_back(facts: &Facts) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V12, &facts.permissions);
    let growth = &facts.permissions.growth;
    let mut all = BTreeSet::new();
    for node in facts.samples.iter().map(|sample| sample.node).collect::<BTreeSet<Name>>() {
        let is_gone = last_done(facts, node, facts.ended)
            .is_some_and(|(_, what)| matches!(what, What::Killed | What::Terminated));
        if of_node(facts, node, Phase::Baseline).next().is_none() || is_gone {
            continue;
        }
        let mut held = Held { of: node.to_string(), judgement: &mut judgement };
        if of_node(facts, node, Phase::Settled).next().is_none() {
            held.wrong("was not looked at when settled");
            continue;
        }
        let lag = of_node(facts, node, Phase::Settled).filter_map(|sample| sample.lag_p99).min();
        held.compare("µs of lag", Some(0), lag, growth.lag_p99);
        all.insert(node);
    }
    let rss: Look<ProcessSample> = |sample| Some(sample.rss);
    let before: u64 =
        all.iter().filter_map(|node| held_by(facts, *node, Phase::Baseline, rss)).sum();
    let nodes = all.len() as u64;
    let compared: [(&str, Look<ProcessSample>, u64); 4] = [
        ("bytes of memory", rss, before * growth.rss_percent / 100 + growth.rss_bytes * nodes),
        ("descriptors", |sample| Some(sample.fds), growth.fds * nodes),
        ("sockets", |sample| Some(sample.sockets), growth.sockets * nodes),
        ("tasks", |sample| sample.tasks, growth.tasks * nodes),
    ];
    for (name, what, more) in compared {
        let of_each = all.iter().filter_map(|node| {
            let held = |phase| held_by(facts, *node, phase, what);
            Some((*node, held(Phase::Baseline)?, held(Phase::Settled)?))
        });
        let of_each: Vec<(Name, u64, u64)> = of_each.collect();
        if of_each.is_empty() {
            continue;
        }
        let each: Vec<String> = of_each
            .iter()
            .map(|(node, before, after)| format!("{node} {before}, then {after}"))
            .collect();
        let of = format!("all nodes together ({})", each.join("; "));
        let before = of_each.iter().map(|(_, before, _)| before).sum();
        let after = of_each.iter().map(|(.., after)| after).sum();
        Held { of, judgement: &mut judgement }.compare(name, Some(before), Some(after), more);
    }
    store_gives_back(facts, &mut judgement);
    judgement
}

/// The most that a node held before, or the least when settled: a leak does not come down.
fn held_by(facts: &Facts, node: Name, phase: Phase, what: Look<ProcessSample>) -> Option<u64> {
    let seen = of_node(facts, node, phase).filter_map(what);
    if phase == Phase::Baseline { seen.max() } else { seen.min() }
}

/// What is known of a node in a phase.
fn of_node(facts: &Facts, node: Name, phase: Phase) -> impl Iterator<Item = &ProcessSample> {
    facts.samples.iter().filter(move |sample| sample.node == node && sample.phase == phase)
}

/// Whether V12 holds by what was looked at so far.
pub(crate) fn has_given_back(facts: &Facts) -> bool {
    matches!(all_is_given_back(facts).ruling(), Ruling::Held)
}

fn store_gives_back(facts: &Facts, judgement: &mut Judgement) {
    let of = |phase| facts.store_samples.iter().filter(move |sample| sample.phase == phase);
    let mut held = Held { of: "the store".to_owned(), judgement };
    let compared: [(&str, Look<StoreSample>); 3] = [
        ("members", |sample| Some(sample.members)),
        ("leases", |sample| Some(sample.leases)),
        ("keys", |sample| Some(sample.keys)),
    ];
    for (name, what) in compared {
        let before = of(Phase::Baseline).filter_map(what).max();
        let after = of(Phase::Settled).filter_map(what).min();
        held.compare(name, before, after, facts.permissions.growth.store_keys);
    }
}

struct Held<'a> {
    of: String,
    judgement: &'a mut Judgement,
}

impl Held<'_> {
    fn wrong(&mut self, how: &str) {
        self.judgement.broken(|| format!("{} {how}", self.of));
    }

    fn compare(&mut self, what: &str, before: Option<u64>, after: Option<u64>, more: u64) {
        let (Some(before), Some(after)) = (before, after) else { return };
        self.judgement.examine(1);
        if after > before + more {
            self.wrong(&format!(
                "has {after} {what} when settled; {before} before, {more} more allowed"
            ));
        }
    }
}
