//! What a process holds, as the kernel and its own metrics tell.
use std::{fs, time::Duration};

use libtest_mimic::Trial;

use crate::{
    checker::{Phase, ProcessSample},
    records::{Micros, Name},
    run::Notes,
};

/// `None`: it is gone.
pub(super) fn sample(notes: &Notes, node: Name, pid: u32, phase: Phase) -> Option<ProcessSample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().trim_end_matches(" kB").trim().parse().ok()?;
    let fds: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok).collect();
    let is_socket = |to: std::path::PathBuf| to.to_string_lossy().starts_with("socket:");
    let sockets = fds.iter().filter(|fd| fs::read_link(fd.path()).is_ok_and(is_socket)).count();
    Some(ProcessSample {
        at: notes.clock.now(),
        phase,
        node,
        rss: kib * 1024,
        fds: fds.len() as u64,
        sockets: sockets as u64,
        tasks: None,
        lag_p99: None,
    })
}

/// Clock ticks a second, of which `/proc` counts; the same on every Linux.
const TICKS: u64 = 100;

/// The time that processors have worked for a process; none at all, if it is gone.
pub(super) fn worked(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// The runtime's tasks, of the text of `/metrics`.
pub(super) fn tasks(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("hubbub_runtime_tasks "))?;
    line.trim().parse().ok()
}

/// The text of `/metrics` is read as it is written.
pub(crate) fn trial() -> Trial {
    Trial::test("stage::a_nodes_metrics_are_read", || {
        let text = |counts: [u64; 3]| {
            let bucket =
                |(le, count)| format!("hubbub_runtime_lag_seconds_bucket{{le=\"{le}\"}} {count}\n");
            let buckets = ["0.01", "0.05", "+Inf"].into_iter().zip(counts).map(bucket);
            format!("hubbub_runtime_tasks 31\n{}", buckets.collect::<String>())
        };
        let (before, after) = (text([10, 10, 10]), text([108, 110, 110]));
        let (before, after) = (Lags::of(&before), Lags::of(&after));
        let read = (
            tasks(&text([0; 3])),
            after.p99(),
            after.since(&before).p99(),
            before.since(&after).p99(),
        );
        let right = (Some(31), Some(50_000), Some(50_000), Some(10_000));
        if read == right { Ok(()) } else { Err(format!("{read:?}, not {right:?}").into()) }
    })
}

/// How often a runtime was how late: for each bound, how many were within it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lags(Vec<(f64, u64)>);

impl Lags {
    pub(super) fn of(text: &str) -> Self {
        let within = |line: &str| {
            let rest = line.strip_prefix("hubbub_runtime_lag_seconds_bucket{le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            Some((bound, count.parse().ok()?))
        };
        Self(text.lines().filter_map(within).collect())
    }

    /// Those of the time between; of another life of the process, all.
    pub(super) fn since(&self, before: &Self) -> Self {
        let earlier = |n: usize| before.0.get(n).map_or(0, |(_, count)| *count);
        let is_same_life = self.0.iter().enumerate().all(|(n, (_, count))| *count >= earlier(n));
        let less = |n| if is_same_life { earlier(n) } else { 0 };
        Self(
            self.0
                .iter()
                .enumerate()
                .map(|(n, (bound, count))| (*bound, count - less(n)))
                .collect(),
        )
    }

    /// The bound within which 99 of a hundred were; none: nothing was measured.
    pub(super) fn p99(&self) -> Option<Micros> {
        let all = self.0.last().map(|(_, count)| *count).filter(|all| *all > 0)?;
        let (bound, _) = self.0.iter().find(|(_, count)| count * 100 >= all * 99)?;
        Some(Duration::try_from_secs_f64(*bound).map_or(Micros::MAX, |bound| {
            Micros::try_from(bound.as_micros()).unwrap_or(Micros::MAX)
        }))
    }
}
