//! Decides from the records of a run whether what the service promises was kept, in the manner of Jepsen's checkers.
mod facts;
mod permissions;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    facts::{
        Exit, Facts, Fault, History, LogLine, Phase, ProcessSample, Run, Shown, StoreSample,
        Target, Truth, What,
    },
    permissions::{Allowance, Growth, Loss, Permissions},
};

/// What must hold in every run; the numbers are those of `faults.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
