//! The results for programs.
use serde::Serialize;

use super::{
    expect::{Expectation, Values},
    results::{Costs, Results, Second},
    tally::Latencies,
};

#[derive(Serialize)]
struct Page<'a> {
    version: &'a str,
    servers: Vec<&'a str>,
    connections: u32,
    rooms: u32,
    bytes: usize,
    seed: u64,
    processes: u32,
    ended_early: bool,
    measured_seconds: f64,
    /// By the names that --expect knows; latencies in microseconds.
    values: Values,
    expectations: Vec<Verdict>,
    sent: u64,
    acked: u64,
    delivered: u64,
    delivered_bytes: u64,
    caught_up: u64,
    errors: &'a std::collections::BTreeMap<String, u64>,
    latencies: [(&'static str, Latency); 4],
    costs: Costs,
    seconds: &'a [Second],
}

#[derive(Serialize)]
struct Verdict {
    condition: String,
    holds: bool,
}

/// In microseconds.
#[derive(Serialize)]
struct Latency {
    count: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    /// Upper end and count of each.
    buckets: Vec<(u64, u64)>,
}

impl From<&Latencies> for Latency {
    fn from(of: &Latencies) -> Self {
        Self {
            count: of.count(),
            p50: of.at(0.5),
            p90: of.at(0.9),
            p99: of.at(0.99),
            p999: of.at(0.999),
            max: of.most(),
            buckets: of.buckets(),
        }
    }
}

pub(super) fn json(
    results: &Results,
    values: &Values,
    expectations: &[Expectation],
) -> serde_json::Result<String> {
    let Results { plan, all, .. } = results;
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        servers: plan.targets.iter().map(|target| target.host.as_str()).collect(),
        connections: plan.connections,
        rooms: plan.rooms,
        bytes: plan.bytes,
        seed: plan.seed,
        processes: plan.processes,
        ended_early: results.cut_short,
        measured_seconds: results.window_s,
        values: values.clone(),
        expectations: expectations
            .iter()
            .map(|expectation| Verdict {
                condition: expectation.to_string(),
                holds: expectation.broken_by(values).is_none(),
            })
            .collect(),
        sent: all.sent,
        acked: all.acked,
        delivered: all.delivered,
        delivered_bytes: all.delivered_bytes,
        caught_up: all.caught_up,
        errors: &all.errors,
        latencies: [
            ("connect", Latency::from(&all.connecting)),
            ("ack", Latency::from(&all.acks)),
            ("delivery", Latency::from(&all.deliveries)),
            ("lag", Latency::from(&all.lag)),
        ],
        costs: results.costs(),
        seconds: &results.seconds,
    };
    serde_json::to_string_pretty(&page)
}
