//! The end of a run: everybody comes to rest, everything is read, the checker judges, and the
//! scenario adds what its own row demands.
use std::{collections::HashSet, fmt::Write, time::Duration};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    checker::{self, Check, Invariant, Permissions, Phase, Selection, Statistics, has_given_back},
    records::{ClientRecords, Event, Micros, Name, Record},
    run::{Run, Scale},
    stage::{Node, Stage},
    swarm::{Seat, Swarm, is_watcher},
};

/// Nodes are warm once their memory grows by no more than a part of it, this one, in this time; and
/// how long that is waited for.
const WARM: u64 = 50;
const WARMS_FOR: Duration = Duration::from_secs(2);
const WARM_WITHIN: Duration = Duration::from_secs(40);
/// How long it may take, after all is healed, until nobody holds more than before; and how long the
/// runtimes' lag is measured each time.
const GIVES_BACK_WITHIN: Duration = Duration::from_mins(1);
const LOOKS_FOR: Duration = Duration::from_secs(4);
/// How long it may take, after all is healed, until everybody has everything.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);

/// A run that is over.
pub(crate) struct Story {
    pub(crate) run: checker::Run,
    pub(crate) statistics: Statistics,
    verdict: String,
    scale: Scale,
    /// What was not as it should be; empty: it passed.
    wrong: Vec<String>,
    /// What the report says besides its columns.
    remarks: Vec<String>,
}

impl Run {
    /// What the nodes hold before anything is done to them; for [`Run::settled`]. They are looked
    /// at until they are warm: a process that has just begun grows for a while by itself.
    pub(crate) async fn baseline(&self, stage: &Stage) {
        if self.scale != Scale::Full {
            return;
        }
        let memory = || stage.nodes.iter().map(Node::memory).sum::<u64>();
        let end = Instant::now() + WARM_WITHIN;
        let mut before = 0;
        while memory() > before + before / WARM && Instant::now() < end {
            before = memory();
            self.lasts(WARMS_FOR).await;
        }
        join_all(stage.nodes.iter().map(|node| node.sample(Phase::Baseline, None))).await;
        stage.sample_store(Phase::Baseline).await;
    }

    /// What they hold at most a minute after healing, under the same load: V12. It is looked at
    /// until all is given back; what is sooner back need not be waited for. The full set only.
    pub(crate) async fn settled(&self, stage: &Stage, swarm: &Swarm) {
        if self.scale != Scale::Full {
            return;
        }
        swarm.all_live().await;
        let end = Instant::now() + GIVES_BACK_WITHIN;
        loop {
            let lags = join_all(stage.nodes.iter().map(Node::lags)).await;
            self.lasts(LOOKS_FOR).await;
            let looks = stage.nodes.iter().zip(&lags);
            join_all(looks.map(|(node, lags)| node.sample(Phase::Settled, Some(lags)))).await;
            stage.sample_store(Phase::Settled).await;
            if Instant::now() >= end || self.notes.with_facts(|facts| has_given_back(facts)) {
                return;
            }
        }
    }

    /// All is healed: nobody says anything new, everybody gets everything, and all is read.
    pub(crate) async fn end(self, stage: Stage, swarm: Swarm, permissions: Permissions) -> Story {
        let permissions = match self.scale {
            Scale::Short => busy(permissions),
            Scale::Full => permissions,
        };
        swarm.falls_silent();
        let mut wrong = at_rest(&swarm.settles(SETTLES_WITHIN).await);
        let histories = swarm.histories().await;
        let truth = swarm.truth();
        let bound = Duration::from_micros(permissions.ghost_within);
        let shown = swarm.shown(&truth, bound).await;
        let ended = self.notes.clock.now();
        let clients = swarm.close().await;
        wrong.extend(stage.end().await);
        let facts = self.notes.with_facts(|facts| {
            facts.permissions = permissions;
            facts.histories.extend(histories);
            (facts.truth, facts.shown, facts.ended) = (truth, shown, ended);
            if facts.samples.iter().all(|sample| sample.phase != Phase::Settled) {
                let why = "this run does not wait a minute after healing";
                facts.permissions.unjudged.push((Invariant::V12, why.to_owned()));
            }
            facts.clone()
        });
        Story::of(checker::Run { clients, facts }, wrong, &self)
    }
}

/// With what a machine busy with other things may add to times; never to messages.
fn busy(strict: Permissions) -> Permissions {
    const SECOND: Micros = 1_000_000;
    Permissions {
        answer_slack: strict.answer_slack + 5 * SECOND,
        ghost_within: strict.ghost_within + 15 * SECOND,
        shown_within: strict.shown_within + 15 * SECOND,
        // The later somebody is seen to be back, the longer they seem to have been away.
        grace: strict.grace / 2,
        drain_within: strict.drain_within + 15 * SECOND,
        ..strict
    }
}

/// Who is not, said in one line.
fn at_rest(lagging: &[String]) -> Vec<String> {
    let few = lagging[..lagging.len().min(5)].join("; ");
    let count = lagging.len();
    let wrong = format!("not at rest within {SETTLES_WITHIN:?}, {count} times: {few}");
    if lagging.is_empty() { Vec::new() } else { vec![wrong] }
}

impl Story {
    fn of(run: checker::Run, mut wrong: Vec<String>, from: &Run) -> Self {
        if let Err(cause) = run.write_facts(from.notes.folder()) {
            wrong.push(format!("the facts cannot be written: {cause}"));
        }
        let (verdict, statistics) = {
            let check = Check::new(&run);
            if !check.verdict().holds() {
                wrong.push(check.verdict().to_string());
            }
            (check.verdict().to_string(), check.statistics(&Selection::default()))
        };
        Self { run, statistics, verdict, scale: from.scale, wrong, remarks: Vec::new() }
    }

    /// Numbers of a part of it.
    pub(crate) fn of_part(&self, part: &Selection) -> Statistics {
        Check::new(&self.run).statistics(part)
    }

    /// All clients but these and the watchers, who know no node but their own.
    pub(crate) fn everybody_but(&self, some: &[Seat]) -> Selection {
        let names = self.run.clients.iter().map(|records| records.client.name);
        let others =
            names.filter(|name| !is_watcher(*name) && some.iter().all(|seat| seat.name != *name));
        Selection { clients: Some(others.collect()), ..Selection::default() }
    }

    /// Clients that kept their one connection all the time.
    pub(crate) fn never_cut_off(&self) -> HashSet<Name> {
        let is_end = |record: &Record| matches!(record.event, Event::Disconnected { .. });
        let kept = self.run.clients.iter().filter(|client| !client.records.iter().any(is_end));
        kept.map(|client| client.client.name).collect()
    }

    /// A demand of the scenario's own row.
    pub(crate) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }

    /// A time that must not be exceeded, and that the report names. In the short set the machine,
    /// busy with other things, may add to it.
    pub(crate) fn at_most(&mut self, what: &str, is: Micros, most: Duration) {
        let most = match self.scale {
            Scale::Short => most * 2 + Duration::from_secs(2),
            Scale::Full => most,
        };
        let is = Duration::from_micros(is);
        self.remarks.push(format!("{what} {:.1} s", is.as_secs_f64()));
        self.must(is <= most, || format!("{what} took {is:?}, more than {most:?}"));
    }

    pub(crate) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// What a client wrote.
    pub(crate) fn records(&self, client: Name) -> &ClientRecords {
        let found = self.run.clients.iter().find(|records| records.client.name == client);
        found.unwrap_or_else(|| panic!("{client} wrote nothing"))
    }

    /// What is wrong, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let mut all = String::new();
        for wrong in &self.wrong {
            writeln!(all, "- {wrong}").ok()?;
        }
        (!all.is_empty()).then_some(all)
    }

    pub(crate) fn row(&self) -> Row {
        let is = &self.statistics;
        Row {
            offered: is.offered,
            acked: is.acked,
            lost: is.lost,
            doubled: is.doubled,
            out_of_order: is.out_of_order,
            unknown: is.unknown,
            to_ack: is.to_ack.to_string(),
            to_delivery: is.to_delivery.to_string(),
            outage: is.outage.and_then(|outage| Some(outage.to? - outage.from)),
            resets: is.resets,
            truncations: is.truncations,
            remarks: self.remarks.clone(),
            verdict: self.verdict.clone(),
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) offered: u64,
    pub(crate) acked: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    pub(crate) unknown: u64,
    pub(crate) to_ack: String,
    pub(crate) to_delivery: String,
    pub(crate) outage: Option<Micros>,
    pub(crate) resets: u64,
    pub(crate) truncations: u64,
    pub(crate) remarks: Vec<String>,
    pub(crate) verdict: String,
}
