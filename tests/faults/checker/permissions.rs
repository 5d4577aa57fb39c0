//! What a scenario allows: by default nothing, and what it does allow is named.
use serde::{Deserialize, Serialize};

use super::Invariant;
use crate::records::Micros;

/// The bounds and exceptions of one scenario. Begin with `Permissions::default()`, which is the
/// contract, and loosen only what the scenario's table row loosens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Permissions {
    /// Which acked messages the store may have lost.
    pub(crate) loss: Loss,
    /// What else may happen that otherwise breaks an invariant.
    pub(crate) allowed: Vec<Allowance>,
    /// What every node hands out must be dense and in order even before the client rule (V5).
    pub(crate) dense_arrivals: bool,
    /// From a send to its answer (V10): the contract, and what a busy machine may add.
    pub(crate) answer_within: Micros,
    pub(crate) answer_slack: Micros,
    /// How long somebody who is gone may be shown, and somebody who is there not be (V9).
    pub(crate) ghost_within: Micros,
    pub(crate) shown_within: Micros,
    /// Who comes back within this is never shown as gone (V9).
    pub(crate) grace: Micros,
    /// Parts of ERROR lines that are expected (V11); `panicked at` never is.
    pub(crate) error_lines: Vec<String>,
    /// From SIGTERM to the exit with 0 (V11).
    pub(crate) drain_within: Micros,
    pub(crate) growth: Growth,
    /// Invariants that this scenario has nothing to judge by, and why. Every other one that finds
    /// nothing to look at fails: a check that saw nothing has not passed.
    pub(crate) unjudged: Vec<(Invariant, String)>,
}

/// What a scenario may bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Allowance {
    /// Lists are reset (V5).
    Resets,
    /// Retention is so short that members come back too late, and logs begin after 1 (V1, V5).
    Truncations,
    /// The store failed in the middle of appends: numbers are missing in a log (V4).
    Holes,
    /// Sends are left without a final answer by clients that retry (V8).
    Unfinished,
}

/// Which acked messages may be missing in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Loss {
    Never,
    /// Everything of epochs that are over: the store was emptied (R6, R16).
    EarlierEpochs,
    /// What was acked in this time: power loss at level `process` (R5), a failover without replica
    /// acks (X4, X5). Numbers of what was lost may be given again, which must be told by a reset.
    AckedBetween {
        from: Micros,
        to: Micros,
    },
}

/// How much more a process or the store may hold after healing than before (V12).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Growth {
    /// In percent of what it was, and bytes on top.
    pub(crate) rss_percent: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) fds: u64,
    pub(crate) tasks: u64,
    pub(crate) sockets: u64,
    /// Members, leases and presence keys in the store.
    pub(crate) store_keys: u64,
    pub(crate) lag_p99: Micros,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            loss: Loss::Never,
            allowed: Vec::new(),
            dense_arrivals: false,
            answer_within: 3_000_000,
            answer_slack: 500_000,
            ghost_within: 30_000_000,
            shown_within: 15_000_000,
            grace: 5_000_000,
            error_lines: Vec::new(),
            drain_within: 30_000_000,
            growth: Growth::default(),
            unjudged: Vec::new(),
        }
    }
}
impl Default for Growth {
    fn default() -> Self {
        Self {
            rss_percent: 10,
            rss_bytes: 5 << 20,
            fds: 2,
            tasks: 2,
            sockets: 2,
            store_keys: 0,
            lag_p99: 50_000,
        }
    }
}

impl Permissions {
    pub(crate) fn allow(mut self, what: Allowance) -> Self {
        self.allowed.push(what);
        self
    }

    pub(crate) fn allows(&self, what: Allowance) -> bool {
        self.allowed.contains(&what)
    }

    /// Whether what was acked or known at this time of where a message stands may have been of a
    /// first life, the message being lost, sent again, and maybe at the same place by chance.
    pub(super) fn is_unclear(&self, at: Micros) -> bool {
        matches!(self.loss, Loss::AckedBetween { from, to } if (from..=to).contains(&at))
    }

    /// Leaves an invariant unjudged, for a reason that the report prints.
    pub(crate) fn without(mut self, invariant: Invariant, why: &str) -> Self {
        self.unjudged.push((invariant, why.to_owned()));
        self
    }
}
