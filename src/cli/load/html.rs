//! The results as one page that needs nothing else: tables, histograms, time lines.
use std::fmt::Write;

use super::{
    chart::{self, Bar, Line, escaped, short},
    expect::{Expectation, Values},
    results::{Results, Second, duration, float},
    tally::Latencies,
};

const STYLE: &str = include_str!("page.css");

pub(super) fn html(results: &Results, values: &Values, expectations: &[Expectation]) -> String {
    let Results { plan, all, .. } = results;
    let hosts: Vec<&str> = plan.targets.iter().map(|target| target.host.as_str()).collect();
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Load test</title>\
         <style>{STYLE}</style><h1>Load test of {}</h1><p>{} connections, {} rooms, {} bytes a \
         message, {:.1} s measured{}. Latencies count from when a message was due.</p>",
        escaped(&hosts.join(", ")),
        plan.connections,
        plan.rooms,
        plan.bytes,
        results.window_s,
        if results.cut_short { ", ended early" } else { "" },
    );
    tiles(&mut out, results, values);
    verdicts(&mut out, values, expectations);
    latencies(&mut out, results);
    histogram(&mut out, "From due to delivered", &all.deliveries);
    histogram(&mut out, "From due to acknowledged", &all.acks);
    time_lines(&mut out, &results.seconds);
    errors(&mut out, results);
    costs(&mut out, results);
    out
}

fn tiles(out: &mut String, results: &Results, values: &Values) {
    let value = |name: &str| values.get(name).copied().unwrap_or(0.0);
    out.push_str("<div class=\"tiles\">");
    for (name, text) in [
        ("p50 delivery", duration(value("p50"))),
        ("p99 delivery", duration(value("p99"))),
        ("deliveries/s", short(value("deliveries/s"))),
        ("messages/s", short(value("sent/s"))),
        ("connects/s", short(value("connects/s"))),
    ] {
        let _ = write!(out, "<div><b>{text}</b><span>{name}</span></div>");
    }
    for (name, count) in [
        ("lost", results.outcome.lost),
        ("doubled", results.all.doubled),
        ("reordered", results.all.reordered),
        ("missed while away", results.outcome.missed),
        ("errors", results.all.errors() + results.outcome.never_joined),
    ] {
        let class = if count == 0 { "good" } else { "bad" };
        let _ = write!(out, "<div><b class=\"{class}\">{count}</b><span>{name}</span></div>");
    }
    out.push_str("</div>");
}

fn verdicts(out: &mut String, values: &Values, expectations: &[Expectation]) {
    if expectations.is_empty() {
        return;
    }
    out.push_str("<h2>Expected</h2><div class=\"scroll\"><table>");
    for expectation in expectations {
        let broken = expectation.broken_by(values);
        let (class, text) = match &broken {
            None => ("good", "holds".to_owned()),
            Some(found) => ("bad", format!("does not hold: it {found}")),
        };
        let condition = escaped(&expectation.to_string());
        let _ = write!(out, "<tr><td>{condition}<td class=\"{class}\">{}", escaped(&text));
    }
    out.push_str("</table></div>");
}

fn latencies(out: &mut String, results: &Results) {
    let all = &results.all;
    out.push_str(
        "<h2>Latencies</h2><div class=\"scroll\"><table><tr><th><th>p50<th>p90<th>p99<th>p99.9\
         <th>max<th>mean<th>count",
    );
    for (name, of) in [
        ("connect", &all.connecting),
        ("send → ack", &all.acks),
        ("send → delivery", &all.deliveries),
        ("the tester's own lag", &all.lag),
    ] {
        if of.count() == 0 {
            continue;
        }
        let _ = write!(out, "<tr><td>{name}");
        for us in [of.at(0.5), of.at(0.9), of.at(0.99), of.at(0.999), of.most()] {
            let _ = write!(out, "<td>{}", duration(float(us)));
        }
        let _ = write!(out, "<td>{}<td>{}", duration(of.mean()), of.count());
    }
    out.push_str("</table></div>");
}

fn histogram(out: &mut String, title: &str, of: &Latencies) {
    if of.count() == 0 {
        return;
    }
    let bars: Vec<Bar> = of
        .buckets()
        .into_iter()
        .map(|(upto, count)| Bar {
            label: duration(float(upto)),
            height: float(count),
            says: format!("up to {}: {count}", duration(float(upto))),
        })
        .collect();
    let _ = write!(
        out,
        "<h2>{title}</h2><figure><figcaption>How many took how long (logarithmic)</figcaption>{}</figure>",
        chart::bars(title, &bars)
    );
}

fn time_lines(out: &mut String, seconds: &[Second]) {
    // The first is of the connecting, and after the last there is nothing to see.
    let happened = |second: &&Second| second.at >= 0.5 && second.sent + second.delivered > 0;
    let seconds: Vec<&Second> = seconds.iter().filter(happened).collect();
    let line = |name: &'static str, class: &'static str, value: &dyn Fn(&Second) -> f64| Line {
        name,
        class,
        points: seconds.iter().map(|second| (second.at, value(second))).collect(),
    };
    let us = |us: f64| duration(us);
    let latency = [
        line("p50", "one", &|second| float(second.p50_us)),
        line("p99", "two", &|second| float(second.p99_us)),
    ];
    figure(out, "Delivery latency over time", &latency, &us);
    let delivered = [line("deliveries/s", "one", &|second| float(second.delivered))];
    figure(out, "Deliveries over time", &delivered, &short);
    let sent = [
        line("messages/s", "one", &|second| float(second.sent)),
        line("errors/s", "two", &|second| float(second.errors)),
    ];
    figure(out, "Messages and errors over time", &sent, &short);
    let connected = [line("connections", "one", &|second| float(second.live as u64))];
    figure(out, "Connections in their room", &connected, &short);
}

fn figure(out: &mut String, title: &str, lines: &[Line<'_>], shown: &dyn Fn(f64) -> String) {
    let _ = write!(out, "<h2>{title}</h2><figure><figcaption>");
    for line in lines {
        let _ = write!(out, "<i class=\"{}\"></i>{}", line.class, line.name);
    }
    let _ = write!(out, "</figcaption>{}</figure>", chart::lines(title, lines, shown));
}

fn errors(out: &mut String, results: &Results) {
    if results.all.errors.is_empty() {
        return;
    }
    out.push_str("<h2>Errors</h2><div class=\"scroll\"><table>");
    for (code, count) in &results.all.errors {
        let advice = super::trouble::advice(code).unwrap_or("");
        let _ = write!(out, "<tr><td>{}<td>{count}<td>{}", escaped(code), escaped(advice));
    }
    out.push_str("</table></div>");
}

fn costs(out: &mut String, results: &Results) {
    let costs = results.costs();
    if costs.processes.is_empty() && costs.redis_commands_per_message.is_none() {
        return;
    }
    out.push_str("<h2>What it cost the servers</h2><div class=\"scroll\"><table>");
    for (name, value, unit) in costs.figures() {
        let _ = write!(out, "<tr><td>{name}<td>{:.2}", value / unit);
    }
    out.push_str("</table><table><tr><th>process<th>CPU<th>µs per delivery<th>memory");
    for used in &costs.processes {
        let each = used.cpu_us_per_delivery.map_or("-".to_owned(), |us| format!("{us:.2}"));
        let _ = write!(
            out,
            "<tr><td>{}<td>{:.1}%<td>{each}<td>{:.1} MiB",
            escaped(&used.name),
            used.cpu_share * 100.0,
            float(used.memory) / 1_048_576.0
        );
    }
    out.push_str("</table></div>");
}
