//! What a run came to: everything counted, everything measured, and the figures made of both.
use serde::Serialize;

use super::{
    expect::Values,
    meter::{Kind, Sample},
    outcome::Outcome,
    plan::Plan,
    tally::{Latencies, Tally},
};

/// What can be expected of a run. Latencies are send→delivery but for those that say otherwise.
pub(super) const NAMES: [&str; 24] = [
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "ack_p50",
    "ack_p90",
    "ack_p99",
    "ack_p99.9",
    "ack_max",
    "connect_p99",
    "connects/s",
    "deliveries/s",
    "sent/s",
    "lost",
    "doubled",
    "reordered",
    "missed",
    "disagreed",
    "errors",
    "unsent",
    "resumed",
    "cpu_per_delivery",
    "memory_per_connection",
];

/// One second of the run, for the time lines.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Second {
    /// Seconds since the sending began; negative while connecting.
    pub(super) at: f64,
    pub(super) live: usize,
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) errors: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
}

/// The figures of the servers at the four moments that count.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) before: Sample,
    pub(super) connected: Sample,
    pub(super) from: Sample,
    pub(super) to: Sample,
}

#[derive(Debug, Clone)]
pub(super) struct Results {
    pub(super) plan: Plan,
    pub(super) all: Tally,
    pub(super) outcome: Outcome,
    pub(super) seconds: Vec<Second>,
    pub(super) measured: Measured,
    /// Seconds that connecting took, and that were measured.
    pub(super) ramp_s: f64,
    pub(super) window_s: f64,
    /// Whether somebody ended it early.
    pub(super) cut_short: bool,
}

/// What the servers used, per thing done.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Costs {
    pub(super) processes: Vec<Used>,
    pub(super) cpu_us_per_delivery: Option<f64>,
    /// The same without stores.
    pub(super) node_cpu_us_per_delivery: Option<f64>,
    pub(super) cpu_us_per_message: Option<f64>,
    pub(super) cpu_us_per_connect: Option<f64>,
    pub(super) memory_per_connection: Option<f64>,
    pub(super) redis_commands_per_message: Option<f64>,
    pub(super) redis_bytes_in_per_message: Option<f64>,
    pub(super) redis_bytes_out_per_message: Option<f64>,
    /// The tester's own, which is in none of the others.
    pub(super) tester_cpu_us_per_delivery: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Used {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Of one core, in the measured time.
    pub(super) cpu_share: f64,
    pub(super) cpu_us_per_delivery: Option<f64>,
    pub(super) memory: u64,
}

impl Costs {
    /// What was measured, by name, with the unit it is shown in.
    pub(super) fn figures(&self) -> Vec<(&'static str, f64, f64)> {
        let all = [
            ("CPU µs per delivery", self.cpu_us_per_delivery, 1.0),
            ("  without stores", self.node_cpu_us_per_delivery, 1.0),
            ("CPU µs per message", self.cpu_us_per_message, 1.0),
            ("CPU µs per connect", self.cpu_us_per_connect, 1.0),
            ("KiB per connection", self.memory_per_connection, 1_024.0),
            ("Redis commands per message", self.redis_commands_per_message, 1.0),
            ("Redis bytes in per message", self.redis_bytes_in_per_message, 1.0),
            ("Redis bytes out per message", self.redis_bytes_out_per_message, 1.0),
            ("tester's CPU µs per delivery", self.tester_cpu_us_per_delivery, 1.0),
        ];
        all.into_iter().filter_map(|(name, value, unit)| Some((name, value?, unit))).collect()
    }
}

impl Results {
    pub(super) fn costs(&self) -> Costs {
        let Measured { before, connected, from, to } = &self.measured;
        let deliveries = self.all.delivered_within;
        let messages = self.all.sent_within;
        let cpu = |a: &Sample, b: &Sample, kind: Option<Kind>| -> u64 {
            let pairs = a.processes.iter().zip(&b.processes);
            let of_kind = pairs.filter(|(a, _)| kind.is_none_or(|kind| a.kind == kind));
            of_kind.map(|(a, b)| b.cpu_us.saturating_sub(a.cpu_us)).sum()
        };
        let memory = |sample: &Sample| -> u64 {
            let nodes = sample.processes.iter().filter(|process| process.kind == Kind::Node);
            nodes.map(|process| process.memory).sum()
        };
        let redis = |of: fn(&super::meter::Redis) -> u64| {
            let sum = |sample: &Sample| sample.redis.iter().map(of).sum::<u64>();
            let known = !to.redis.is_empty();
            known.then(|| per(sum(to).saturating_sub(sum(from)), messages)).flatten()
        };
        let known = !to.processes.is_empty();
        let if_known = |amount: u64, of: u64| known.then(|| per(amount, of)).flatten();
        let pairs = from.processes.iter().zip(&to.processes);
        Costs {
            processes: pairs
                .map(|(from, to)| {
                    let cpu_us = to.cpu_us.saturating_sub(from.cpu_us);
                    Used {
                        name: to.name.clone(),
                        kind: to.kind,
                        cpu_share: float(cpu_us) / 1e6 / self.window_s.max(1e-9),
                        cpu_us_per_delivery: per(cpu_us, deliveries),
                        memory: to.memory,
                    }
                })
                .collect(),
            cpu_us_per_delivery: if_known(cpu(from, to, None), deliveries),
            node_cpu_us_per_delivery: if_known(cpu(from, to, Some(Kind::Node)), deliveries),
            cpu_us_per_message: if_known(cpu(from, to, None), messages),
            cpu_us_per_connect: if_known(
                cpu(before, connected, Some(Kind::Node)),
                self.all.connected,
            ),
            memory_per_connection: if_known(
                memory(connected).saturating_sub(memory(before)),
                self.all.connected,
            ),
            redis_commands_per_message: redis(|redis| redis.commands),
            redis_bytes_in_per_message: redis(|redis| redis.bytes_in),
            redis_bytes_out_per_message: redis(|redis| redis.bytes_out),
            tester_cpu_us_per_delivery: per(
                to.tester_cpu_us.saturating_sub(from.tester_cpu_us),
                deliveries,
            ),
        }
    }

    /// Everything that can be expected, latencies in microseconds.
    pub(super) fn values(&self) -> Values {
        let all = &self.all;
        let mut values = Values::new();
        let latencies = |values: &mut Values, of: &Latencies, names: [&'static str; 5]| {
            if of.count() > 0 {
                let quantiles = [0.5, 0.9, 0.99, 0.999];
                for (name, quantile) in names.into_iter().zip(quantiles) {
                    values.insert(name, float(of.at(quantile)));
                }
                values.insert(names[4], float(of.most()));
            }
        };
        latencies(&mut values, &all.deliveries, ["p50", "p90", "p99", "p99.9", "max"]);
        let acks = ["ack_p50", "ack_p90", "ack_p99", "ack_p99.9", "ack_max"];
        latencies(&mut values, &all.acks, acks);
        if all.connecting.count() > 0 {
            values.insert("connect_p99", float(all.connecting.at(0.99)));
        }
        values.insert("connects/s", float(all.connected) / self.ramp_s.max(1e-9));
        values.insert("deliveries/s", float(all.delivered_within) / self.window_s.max(1e-9));
        values.insert("sent/s", float(all.sent_within) / self.window_s.max(1e-9));
        for (name, count) in [
            ("lost", self.outcome.lost),
            ("doubled", all.doubled),
            ("reordered", all.reordered),
            ("missed", self.outcome.missed),
            ("disagreed", self.outcome.disagreeing_rooms() as u64),
            ("errors", all.errors() + self.outcome.never_joined),
            ("unsent", all.unsent),
            ("resumed", all.resumed),
        ] {
            values.insert(name, float(count));
        }
        let costs = self.costs();
        if let Some(cpu) = costs.cpu_us_per_delivery {
            values.insert("cpu_per_delivery", cpu);
        }
        if let Some(memory) = costs.memory_per_connection {
            values.insert("memory_per_connection", memory);
        }
        values
    }
}

/// A value as people read it.
pub(super) fn shown(name: &str, value: f64) -> String {
    let is_latency = name == "max" || name.ends_with("_max") || {
        let quantile = name.rsplit('_').next().unwrap_or(name);
        quantile.starts_with('p') && quantile[1..].parse::<f64>().is_ok()
    };
    if is_latency { duration(value) } else { format!("{value}") }
}

/// Microseconds as people read them.
pub(super) fn duration(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.0} µs"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 100_000.0 => format!("{:.1} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn per(amount: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| float(amount) / float(of))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people need no 64 bits")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
