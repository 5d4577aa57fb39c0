//! A run from its first connect to its last delivery: what happens when, and what is read then.
use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{anyhow, bail};

use super::{
    account::Streams,
    clock,
    meter::{Meter, Sample},
    outcome::Outcome,
    plan::{Plan, Target},
    progress::Progress,
    results::{Measured, Results, Second, float},
    tally::Tally,
    team::{Said, Team},
    trouble,
    worker::{Order, Report},
};

const DIAL_PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries to reach a server that is waited for.
const KNOCK_AGAIN: Duration = Duration::from_millis(200);
/// Between two looks at the clock while waiting.
const GLANCE: Duration = Duration::from_millis(20);
/// After the last connect, until memory is read.
const CALM_US: u64 = 500_000;
/// Between telling workers to go and going.
const LEAD_US: u64 = 200_000;
/// What workers may take longer than they were given.
const GRACE_US: u64 = 5_000_000;

pub(super) struct Run<'a> {
    plan: Arc<Plan>,
    meter: &'a Meter,
    stop: &'a AtomicBool,
    progress: &'a mut Progress,
    team: Team,
    all: Tally,
    /// The second that is being put together, from so many workers.
    second: (Tally, usize, u32),
    seconds: Vec<Second>,
    ready: u32,
    sent: Streams,
    outcome: Outcome,
    done: u32,
    /// When sending begins; far away while it is not known.
    start: u64,
}

pub(super) fn run(
    plan: Plan,
    meter: &Meter,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> anyhow::Result<Results> {
    probe(&plan, stop)?;
    let before = meter.read(&[])?;
    let plan = Arc::new(plan);
    let team = Team::start(&plan)?;
    Run {
        plan,
        meter,
        stop,
        progress,
        team,
        all: Tally::default(),
        second: (Tally::default(), 0, 0),
        seconds: Vec::new(),
        ready: 0,
        sent: Vec::new(),
        outcome: Outcome::default(),
        done: 0,
        start: u64::MAX,
    }
    .until_the_end(before)
}

/// Whether anybody is there at all; better asked once than told a thousand times.
fn probe(plan: &Plan, stop: &AtomicBool) -> anyhow::Result<()> {
    let until = clock::now_us().saturating_add(plan.wait_us);
    for target in &plan.targets {
        while let Err(error) = reach(target) {
            if clock::now_us() >= until || stop.load(Ordering::Relaxed) {
                let code = trouble::Trouble::from(error).0;
                let advice = trouble::advice(&code).unwrap_or("is the address right?");
                bail!("{} cannot be reached: {code}: {advice}", target.host);
            }
            std::thread::sleep(KNOCK_AGAIN);
        }
    }
    Ok(())
}

/// One of its addresses answers, or why the last does not.
fn reach(target: &Target) -> std::io::Result<()> {
    let mut outcome = Err(std::io::ErrorKind::AddrNotAvailable.into());
    for address in &target.addresses {
        outcome = TcpStream::connect_timeout(address, DIAL_PATIENCE).map(drop);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

impl Run<'_> {
    fn until_the_end(mut self, before: Sample) -> anyhow::Result<Results> {
        let began = self.now();
        self.come_in()?;
        let ramp_s = float(self.now() - began) / 1e6;
        let settled = self.now() + CALM_US;
        self.wait(settled, |_| false)?;
        let connected = self.read()?;

        self.start = self.now() + LEAD_US;
        self.team.tell(&Order::Go(self.start))?;
        let window = self.start + self.plan.warmup_us;
        self.wait(window, |_| false)?;
        let (from_us, from) = (self.now(), self.read()?);
        self.wait(window + self.plan.duration_us, |_| false)?;
        let (to_us, to) = (self.now(), self.read()?);
        let cut_short = self.stop.swap(false, Ordering::Relaxed);

        self.settle()?;
        Ok(Results {
            plan: (*self.plan).clone(),
            all: self.all,
            outcome: self.outcome,
            seconds: self.seconds,
            measured: Measured { before, connected, from, to },
            ramp_s,
            window_s: float(to_us - from_us) / 1e6,
            cut_short,
        })
    }

    fn read(&self) -> anyhow::Result<Sample> {
        self.meter.read(&self.team.pids())
    }

    fn come_in(&mut self) -> anyhow::Result<()> {
        let ramp_us = f64::from(self.plan.connections) / self.plan.ramp * 1e6;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds")]
        let until = self.now() + ramp_us as u64 + self.plan.connect_us + GRACE_US;
        self.wait(until, |run| run.ready == run.plan.processes)?;
        if self.all.connected == 0 {
            let (code, count) = self
                .all
                .errors
                .iter()
                .max_by_key(|(_, count)| **count)
                .map_or(("never_joined", 0), |(code, count)| (code.as_str(), *count));
            let advice = trouble::advice(code).unwrap_or("see what the server logs");
            bail!("no connection got in ({code}, {count} times): {advice}");
        }
        Ok(())
    }

    /// Waits for what is still on its way, and learns what never came.
    fn settle(&mut self) -> anyhow::Result<()> {
        let patience = self.plan.drain_us + GRACE_US;
        self.team.tell(&Order::Stop)?;
        let until = self.now() + patience;
        let processes = self.plan.processes;
        self.wait(until, Self::has_all_sent)?;
        self.team.tell(&Order::Settle(self.sent.clone()))?;
        let until = self.now() + patience;
        self.wait(until, |run| run.done == processes)?;
        if self.done < processes {
            bail!("{} of {processes} workers never finished", processes - self.done);
        }
        Ok(())
    }

    fn has_all_sent(&self) -> bool {
        self.sent.len() == self.plan.processes as usize
            && self.sent.iter().all(|rooms| !rooms.is_empty())
    }

    fn now(&self) -> u64 {
        clock::now_us().saturating_sub(self.plan.zero_us)
    }

    /// Until this moment, or until `enough`, or until somebody says stop.
    fn wait(&mut self, until: u64, enough: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        while self.now() < until && !enough(self) && !self.stop.load(Ordering::Relaxed) {
            let left = Duration::from_micros(until.saturating_sub(self.now()));
            match self.team.hear(left.min(GLANCE)) {
                None => {}
                Some(Said::Failed(why)) => return Err(anyhow!("a worker failed: {why}")),
                Some(Said::Report(report)) => self.take(report),
            }
        }
        Ok(())
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Ready => self.ready += 1,
            Report::Second(tally, live) => self.take_second(&tally, live),
            Report::Sent(process, rooms) => {
                let process = process as usize;
                if self.sent.len() <= process {
                    self.sent.resize_with(process + 1, Vec::new);
                }
                self.sent[process] = rooms;
            }
            Report::Done(outcome) => {
                self.outcome.add(&outcome);
                self.done += 1;
            }
        }
    }

    fn take_second(&mut self, tally: &Tally, live: usize) {
        self.second.0.add(tally);
        self.second.1 += live;
        self.second.2 += 1;
        if self.second.2 < self.plan.processes {
            return;
        }
        let (tally, live, _) = std::mem::take(&mut self.second);
        self.all.add(&tally);
        let at = if self.start == u64::MAX {
            -1.0
        } else {
            (float(self.now()) - float(self.start)) / 1e6
        };
        let second = Second {
            at,
            live,
            sent: tally.sent,
            delivered: tally.delivered,
            errors: tally.errors(),
            p50_us: tally.deliveries.at(0.5),
            p99_us: tally.deliveries.at(0.99),
        };
        self.progress.show(&self.plan, &second, &self.all);
        self.seconds.push(second);
    }
}
