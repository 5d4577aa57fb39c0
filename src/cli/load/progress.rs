//! What is shown while it runs: one line that changes in a terminal, a line now and then elsewhere.
use std::io::{IsTerminal, Write};

use super::{
    plan::Plan,
    results::{Second, duration, float},
    tally::Tally,
};

/// Without a terminal: every so many seconds.
const SELDOM: u64 = 5;
const BAR: u32 = 24;

pub(super) struct Progress {
    terminal: bool,
    shown: u64,
    /// What it was doing when last shown.
    doing: &'static str,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: 0, doing: "" }
    }

    pub(super) fn show(&mut self, plan: &Plan, second: &Second, all: &Tally) {
        self.shown += 1;
        let doing = doing(plan, second);
        let is_news = std::mem::replace(&mut self.doing, doing) != doing;
        if !self.terminal && !is_news && !self.shown.is_multiple_of(SELDOM) {
            return;
        }
        let line = line(plan, second, all);
        let mut out = std::io::stderr().lock();
        // Whoever closed the error stream does not want to see it.
        let _ = if self.terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Leaves the line.
    pub(super) fn end(&self) {
        if self.terminal && self.shown > 0 {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn line(plan: &Plan, second: &Second, all: &Tally) -> String {
    if second.at < 0.0 {
        let share = float(all.connected) / f64::from(plan.connections);
        let errors = errors(all);
        return format!("{} connecting {}/{}{errors}", bar(share), all.connected, plan.connections);
    }
    let whole = float(plan.warmup_us + plan.duration_us) / 1e6;
    let doing = doing(plan, second);
    format!(
        "{} {doing} {:.0}/{whole:.0} s · {} in · {} sent/s · {} delivered/s · p50 {} p99 {}{}",
        bar(second.at / whole),
        second.at.min(whole),
        second.live,
        second.sent,
        second.delivered,
        duration(float(second.p50_us)),
        duration(float(second.p99_us)),
        errors(all),
    )
}

fn doing(plan: &Plan, second: &Second) -> &'static str {
    match second.at {
        at if at < 0.0 => "connecting",
        at if at < float(plan.warmup_us) / 1e6 => "warming up",
        at if at < float(plan.warmup_us + plan.duration_us) / 1e6 => "measuring",
        _ => "draining",
    }
}

fn errors(all: &Tally) -> String {
    if all.errors.is_empty() {
        return String::new();
    }
    let each: Vec<String> =
        all.errors.iter().map(|(code, count)| format!("{code} {count}")).collect();
    format!(" · {}", each.join(", "))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and BAR")]
fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * f64::from(BAR)) as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR as usize - full))
}
