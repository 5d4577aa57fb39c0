//! The results as a table for people.
use std::fmt::Write;

use super::{
    results::{Costs, Results, duration, float},
    tally::{Latencies, Tally},
    trouble,
};

/// A tester later than that is worth a word.
const LATE_US: u64 = 5_000;

pub(super) fn table(results: &Results) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(results, &mut out);
    out
}

fn write(results: &Results, out: &mut String) -> std::fmt::Result {
    let Results { plan, all, outcome, .. } = results;
    let values = results.values();
    let value = |name: &str| values.get(name).copied().unwrap_or(0.0);
    writeln!(out)?;
    writeln!(
        out,
        "{} connections, {} rooms, {:.1} s measured{}",
        plan.connections,
        plan.rooms,
        results.window_s,
        if results.cut_short { " (ended early)" } else { "" }
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "{:18}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "", "p50", "p90", "p99", "p99.9", "max", "count"
    )?;
    for (name, latencies) in [
        ("connect", &all.connecting),
        ("send -> ack", &all.acks),
        ("send -> delivery", &all.deliveries),
        ("tester's own lag", &all.lag),
    ] {
        row(out, name, latencies)?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "  connects/s    {:>12.0}   deliveries/s {:>12.0}   sent/s {:>9.1}",
        value("connects/s"),
        value("deliveries/s"),
        value("sent/s")
    )?;
    writeln!(
        out,
        "  sent          {:>12}   acked        {:>12}   delivered {:>12}",
        all.sent, all.acked, all.delivered
    )?;
    writeln!(
        out,
        "  lost          {:>12}   doubled      {:>12}   reordered {:>12}",
        outcome.lost, all.doubled, all.reordered
    )?;
    writeln!(
        out,
        "  resumed       {:>12}   caught up    {:>12}   missed    {:>12}",
        all.resumed, all.caught_up, outcome.missed
    )?;
    orders(out, results)?;
    lateness(out, all)?;
    errors(out, results)?;
    costs(out, &results.costs())
}

fn row(out: &mut String, name: &str, of: &Latencies) -> std::fmt::Result {
    if of.count() == 0 {
        return Ok(());
    }
    write!(out, "  {name:16}")?;
    for us in [of.at(0.5), of.at(0.9), of.at(0.99), of.at(0.999), of.most()] {
        write!(out, "{:>10}", duration(float(us)))?;
    }
    writeln!(out, "{:>12}", of.count())
}

fn orders(out: &mut String, results: &Results) -> std::fmt::Result {
    let Results { all, outcome, .. } = results;
    let rooms = outcome.orders.len();
    writeln!(
        out,
        "  rooms whose members heard different orders: {} of {rooms}",
        outcome.disagreeing_rooms()
    )?;
    if all.unsent > 0 {
        writeln!(out, "  {} messages were due with nobody there to send them", all.unsent)?;
    }
    Ok(())
}

/// Latencies of a tester that is itself late are its own.
fn lateness(out: &mut String, all: &Tally) -> std::fmt::Result {
    let (own, all) = (all.lag.at(0.5), all.deliveries.at(0.5));
    if own < LATE_US || own * 2 < all {
        return Ok(());
    }
    writeln!(
        out,
        "  half of all messages were sent {} late: this machine is full; latencies say little",
        duration(float(own))
    )
}

fn errors(out: &mut String, results: &Results) -> std::fmt::Result {
    let never = results.outcome.never_joined;
    let counted = results.all.errors.iter().map(|(code, count)| (code.as_str(), *count));
    let joined = (never > 0).then_some(("never_joined", never));
    for (at, (code, count)) in counted.chain(joined).enumerate() {
        if at == 0 {
            writeln!(out, "\n  errors")?;
        }
        let advice = trouble::advice(code).map(|advice| format!("   {advice}")).unwrap_or_default();
        writeln!(out, "  {code:24}{count:>10}{advice}")?;
    }
    Ok(())
}

fn costs(out: &mut String, costs: &Costs) -> std::fmt::Result {
    for (at, used) in costs.processes.iter().enumerate() {
        if at == 0 {
            writeln!(
                out,
                "\n{:26}{:>10}{:>14}{:>12}",
                "  server process", "CPU", "µs/delivery", "memory"
            )?;
        }
        let each = used.cpu_us_per_delivery.map_or("-".to_owned(), |us| format!("{us:.2}"));
        let memory = format!("{:.1} MiB", float(used.memory) / 1_048_576.0);
        writeln!(out, "  {:24}{:>9.1}%{each:>14}{memory:>12}", used.name, used.cpu_share * 100.0)?;
    }
    for (name, value, unit) in costs.figures() {
        writeln!(out, "  {name:28}{:>12.2}", value / unit)?;
    }
    Ok(())
}
