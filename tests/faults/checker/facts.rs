//! What the run itself knows, besides its clients: faults, processes, the store, and the end.
use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::Permissions;
use crate::records::{ClientRecords, Line, Micros, Name};

/// A whole run, as the checker reads it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) clients: Vec<ClientRecords>,
    pub(crate) facts: Facts,
}

/// One run, but for what its clients wrote.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) permissions: Permissions,
    pub(crate) faults: Vec<Fault>,
    pub(crate) exits: Vec<Exit>,
    /// Lines of the nodes' logs that hold `panicked at` or are of level ERROR.
    pub(crate) log_lines: Vec<LogLine>,
    pub(crate) samples: Vec<ProcessSample>,
    pub(crate) store_samples: Vec<StoreSample>,
    /// Every room's log as the store has it at the end, from its oldest entry to its head; read
    /// when nobody sends any more. Earlier readings may stand before it, if a scenario empties the
    /// store.
    pub(crate) histories: Vec<History>,
    /// What each node says at the end of who is online, and of who is in which room.
    pub(crate) shown: Vec<Shown>,
    /// Who truly is.
    pub(crate) truth: Vec<Truth>,
    /// When everything had been read; clients are closed after it, and nothing later is judged.
    pub(crate) ended: Micros,
}

/// Something that was done to the run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) at: Micros,
    pub(crate) target: Target,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    Node(Name),
    /// Redis, or its primary.
    Store,
    /// Between one node and the store.
    StorePath(Name),
    /// The process of a client.
    Client(Name),
    /// Between one client and wherever it connects to.
    ClientPath(Name),
    /// Between a node and all of its clients.
    NodePath(Name),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Terminated,
    /// SIGSTOP.
    Stopped,
    /// SIGCONT.
    Continued,
    Started,
    /// A path is made bad (any verb of the proxy but `pass`), or a store is made to fail.
    Broken,
    Healed,
}

/// A process that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub(crate) at: Micros,
    pub(crate) node: Name,
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) node: Name,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Under load, before the fault.
    Baseline,
    During,
    /// Under the same load, 60 s after healing.
    Settled,
}

/// What a node holds at a moment. Of several in a phase, the highest of the baseline is compared
/// with the lowest when settled: a leak does not come down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProcessSample {
    pub(crate) at: Micros,
    pub(crate) phase: Phase,
    pub(crate) node: Name,
    pub(crate) rss: u64,
    pub(crate) fds: u64,
    pub(crate) sockets: u64,
    /// Tasks of the runtime; `None` where the node does not tell.
    pub(crate) tasks: Option<u64>,
    /// The 99th percentile of the event loop's lag.
    pub(crate) lag_p99: Option<Micros>,
}

/// What the store holds for presence at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreSample {
    pub(crate) at: Micros,
    pub(crate) phase: Phase,
    /// Entries of all `m:` hashes.
    pub(crate) members: u64,
    pub(crate) leases: u64,
    /// Keys that are neither logs, nor metas, nor idempotency keys, nor `m:` hashes: of these there
    /// is one for each node in each room, and clients come back elsewhere.
    pub(crate) keys: u64,
}

/// A room's log, as one reading found it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) at: Micros,
    pub(crate) room: Name,
    /// `None`: nobody has ever written here.
    pub(crate) epoch: Option<Name>,
    pub(crate) head: u64,
    /// The oldest number still kept.
    pub(crate) first: u64,
    pub(crate) entries: Vec<Line>,
}

/// Who a node says is in a room, or (`None`) online.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) at: Micros,
    pub(crate) node: Name,
    pub(crate) room: Option<Name>,
    pub(crate) users: Vec<Name>,
}

/// Who is in a room, or (`None`) online, as the run knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Truth {
    pub(crate) room: Option<Name>,
    pub(crate) users: Vec<Name>,
}

impl Run {
    const FACTS: &'static str = "facts.json";

    /// Keeps the facts beside what the clients have written, so that [`Run::read`] finds both.
    pub(crate) fn write_facts(&self, into: &Path) -> io::Result<()> {
        fs::write(into.join(Self::FACTS), serde_json::to_vec(&self.facts)?)
    }

    /// A run that was kept, to be judged again.
    pub(crate) fn read(from: &Path) -> io::Result<Self> {
        let facts = serde_json::from_slice(&fs::read(from.join(Self::FACTS))?)?;
        Ok(Self { clients: ClientRecords::read_all(from)?, facts })
    }
}
