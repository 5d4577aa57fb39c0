//! Faults of the nodes and of what they hold: V11 and V12.
use super::{
    super::{
        super::{
            Exit,
            Invariant::{V11, V12},
            LogLine, Phase, ProcessSample, StoreSample, Target, What,
        },
        world::SECOND,
    },
    Case, case,
    forge::Forge,
    if_it_can,
};
use crate::records::Name;

const NODE: &str = "node-c";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_node_that_dies", &[V11], |forge| exits(forge, Some(101))),
        case("a_node_that_is_gone_by_a_signal", &[V11], |forge| exits(forge, None)),
        case("a_drain_that_ends_with_a_failure", &[V11], |forge| drains(forge, Some(1), 1)),
        case("a_drain_that_ends_by_a_signal", &[V11], |forge| drains(forge, None, 1)),
        case("a_drain_that_takes_too_long", &[V11], |forge| drains(forge, Some(0), 6)),
        case("a_drain_in_time", &[], |forge| drains(forge, Some(0), 4)),
        case("a_drain_that_never_ends", &[V11], never_drains),
        case("a_panic", &[V11], |forge| logs(forge, "thread 'main' panicked at src/a.rs:1", &[])),
        case("an_error", &[V11], |forge| logs(forge, "ERROR the store is odd", &[])),
        case("an_error_that_is_expected", &[], |forge| {
            logs(forge, "ERROR the store is odd", &["store is odd"])
        }),
        case("a_panic_that_only_looks_expected", &[V11], |forge| {
            logs(forge, "panicked at src/a.rs: the store is odd", &["store is odd"])
        }),
        case("memory_that_is_not_given_back", &[V12], |forge| grows(forge, |s| s.rss *= 2)),
        case("descriptors_that_are_not_given_back", &[V12], |forge| grows(forge, |s| s.fds += 9)),
        case("sockets_that_are_not_given_back", &[V12], |forge| grows(forge, |s| s.sockets += 9)),
        case("tasks_that_do_not_end", &[V12], |forge| {
            grows(forge, |s| s.tasks = s.tasks.map(|tasks| tasks + 9))
        }),
        case("an_event_loop_that_lags", &[V12], |forge| grows(forge, |s| s.lag_p99 = Some(60_000))),
        if_it_can("one_sample_that_is_high", &[], one_high),
        case("a_node_not_looked_at_when_settled", &[V12], not_looked_at),
        case("members_left_in_the_store", &[V12], |forge| store_grows(forge, |s| s.members += 1)),
        case("leases_left_in_the_store", &[V12], |forge| store_grows(forge, |s| s.leases += 1)),
        case("keys_left_in_the_store", &[V12], |forge| store_grows(forge, |s| s.keys += 1)),
    ]
}

fn exits(forge: &mut Forge, code: Option<i32>) -> String {
    let (at, node) = (forge.at, Name::new(NODE));
    forge.run.facts.exits.push(Exit { at, node, code });
    format!("{NODE} exited")
}

fn drains(forge: &mut Forge, code: Option<i32>, after: u64) -> String {
    forge.run.facts.permissions.drain_within = 5 * SECOND;
    forge.fault(forge.at, Target::Node(Name::new(NODE)), What::Terminated);
    forge.at += after * SECOND;
    exits(forge, code)
}

fn never_drains(forge: &mut Forge) -> String {
    forge.run.facts.permissions.drain_within = 5 * SECOND;
    forge.fault(forge.at, Target::Node(Name::new(NODE)), What::Terminated);
    format!("{NODE} still runs")
}

fn logs(forge: &mut Forge, text: &str, expected: &[&str]) -> String {
    let expected = expected.iter().map(|part| (*part).to_owned());
    forge.run.facts.permissions.error_lines.extend(expected);
    let line = LogLine { node: Name::new(NODE), text: text.to_owned() };
    forge.run.facts.log_lines.push(line);
    text.to_owned()
}

/// The node holds more in all samples when settled.
fn grows(forge: &mut Forge, how: fn(&mut ProcessSample)) -> String {
    let samples = forge.run.facts.samples.iter_mut();
    let settled =
        samples.filter(|sample| sample.phase == Phase::Settled && sample.node.as_str() == NODE);
    settled.for_each(how);
    NODE.to_owned()
}

fn one_high(forge: &mut Forge) -> Option<String> {
    let samples = &mut forge.run.facts.samples;
    let settled = samples.iter().find(|sample| sample.phase == Phase::Settled)?;
    samples.push(ProcessSample { rss: settled.rss * 9, fds: settled.fds * 9, ..settled.clone() });
    Some(String::new())
}

fn not_looked_at(forge: &mut Forge) -> String {
    let is_settled = |sample: &ProcessSample| sample.phase == Phase::Settled;
    forge.run.facts.samples.retain(|sample| !is_settled(sample) || sample.node.as_str() != NODE);
    format!("{NODE} was not looked at")
}

fn store_grows(forge: &mut Forge, how: fn(&mut StoreSample)) -> String {
    let samples = forge.run.facts.store_samples.iter_mut();
    samples.filter(|sample| sample.phase == Phase::Settled).for_each(how);
    "the store has".to_owned()
}
