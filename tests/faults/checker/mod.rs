//! Decides from the records of a run whether what the service promises was kept, in the manner of Jepsen's checkers.
//!
//! `let check = Check::new(&run);`
//! `assert!(check.verdict().holds(), "{}", check.verdict());`
//!
//! Everything here is a pure function of a [`Run`]: what the clients wrote, what the run itself
//! knows, and what the scenario permits. A run that was kept can be judged again.
mod answers_v10;
mod disturbed;
mod facts;
mod index;
mod list;
mod lists_v5;
mod log_v1_v4;
mod logs;
mod nodes_v11_v12;
mod order_v6_v7;
mod permissions;
mod presence_v9;
mod retries_v8;
mod statistics;
mod stays;
mod trials;
mod verdict;

use serde::{Deserialize, Serialize};
use strum::EnumIter;

pub(crate) use self::{
    facts::{
        Exit, Facts, Fault, History, LogLine, Phase, ProcessSample, Run, Shown, StoreSample,
        Target, Truth, What,
    },
    nodes_v11_v12::has_given_back,
    permissions::{Allowance, Growth, Loss, Permissions},
    statistics::{Selection, Statistics},
    trials::trials,
    verdict::{Ruling, Verdict},
};
use self::{index::Index, lists_v5::Counts, logs::Logs};

/// What must hold in every run; the numbers are those of `faults.md`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, EnumIter,
)]
pub(crate) enum Invariant {
    /// Every acked message is in history.
    V1,
    /// Every mid is in history at most once, and a number means one mid.
    V2,
    /// Everything in history was sent by somebody, just so.
    V3,
    /// Numbers in history rise, without holes.
    V4,
    /// Every member's list is the history from where it came in: exactly once, in order.
    V5,
    /// What one connection sends to a room stands there in the order sent.
    V6,
    /// What was known before something else was sent stands before it.
    V7,
    /// What was refused or unknown is there at most once, and after a retry exactly once.
    V8,
    /// Who is shown online is.
    V9,
    /// Every send is answered in time, or its transport ends.
    V10,
    /// No node dies, panics or logs an unexpected error.
    V11,
    /// After healing, everything held is given back.
    V12,
}

/// A run, put in order and judged.
pub(crate) struct Check<'a> {
    index: Index<'a>,
    logs: Logs<'a>,
    counts: Counts,
    verdict: Verdict,
}

impl<'a> Check<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let mut index = Index::new(run);
        let logs = Logs::new(&index);
        let (lists, counts) = lists_v5::lists_are_the_log(&index, &logs);
        let judgements = vec![
            log_v1_v4::acked_is_kept(&index, &logs),
            log_v1_v4::nothing_is_doubled(&index, &logs),
            log_v1_v4::all_was_sent(&index, &logs),
            log_v1_v4::numbers_rise(&index, &logs),
            lists,
            order_v6_v7::senders_keep_their_order(&index, &logs),
            order_v6_v7::order_is_that_of_time(&index, &logs),
            retries_v8::retries_end_in_one(&index, &logs),
            presence_v9::shown_is_true(&index),
            answers_v10::sends_are_answered(&index),
            nodes_v11_v12::nodes_live(&index),
            nodes_v11_v12::all_is_given_back(&run.facts),
        ];
        let verdict = Verdict::sorted(judgements, std::mem::take(&mut index.oddities));
        Self { index, logs, counts, verdict }
    }

    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the report prints; of a time, or of some clients, if one asks for that.
    pub(crate) fn statistics(&self, of: &Selection) -> Statistics {
        Statistics::new(self, of)
    }
}
