//! One run of one scenario: its seed, its directory, its clock, and what was done to it.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    checker::{Exit, Facts, Fault, LogLine, Target, What},
    records::{Client, Clock, Name, Recorder},
};

/// How much of everything: `make test` must be done in minutes on a busy machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Short,
    Full,
}

/// A seed from the system.
pub(crate) fn random_seed() -> u64 {
    StdRng::try_from_rng(&mut rand::rngs::SysRng).expect("the system has random bytes").next_u64()
}

/// What everybody in a run writes to. Cheap to share.
pub(crate) struct Notes {
    pub(crate) clock: Clock,
    folder: PathBuf,
    facts: Mutex<Facts>,
}

impl Notes {
    pub(crate) fn new(folder: PathBuf, facts: Facts) -> io::Result<Arc<Self>> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Arc::new(Self { clock: Clock::start(), folder, facts: Mutex::new(facts) }))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A pen for one client.
    pub(crate) fn pen(&self, client: Client) -> Arc<Recorder> {
        let name = client.name;
        let pen = Recorder::open(&self.folder, client, self.clock);
        Arc::new(pen.unwrap_or_else(|cause| panic!("no records of {name}: {cause}")))
    }

    /// Something is done to the run, now.
    pub(crate) fn fault(&self, target: Target, what: What) {
        // Within the lock, so that they stand in the order of the clock.
        let mut facts = self.facts.lock();
        let at = self.clock.now();
        facts.faults.push(Fault { at, target, what });
    }

    pub(crate) fn exit(&self, node: Name, code: Option<i32>) {
        let mut facts = self.facts.lock();
        let at = self.clock.now();
        facts.exits.push(Exit { at, node, code });
    }

    /// Keeps a process' words, and those among them that need an explanation.
    pub(crate) fn keep_log(&self, node: Name, said: &[String]) {
        let path = self.folder.join(format!("{node}.log"));
        fs::write(&path, said.join("\n")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let is_bad = |line: &&String| line.contains("panicked at") || is_error(line);
        let bad = said.iter().filter(is_bad).map(|text| LogLine { node, text: text.clone() });
        self.facts.lock().log_lines.extend(bad);
    }

    pub(crate) fn with_facts<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        change(&mut self.facts.lock())
    }
}

fn is_error(line: &str) -> bool {
    let line = serde_json::from_str::<serde_json::Value>(line);
    line.is_ok_and(|line| line["level"] == "ERROR")
}

/// One scenario under one seed.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) scale: Scale,
    pub(crate) notes: Arc<Notes>,
    /// The scenario's own choices; those of clients and proxies come from the seed too.
    pub(crate) choices: StdRng,
}

impl Run {
    pub(crate) fn new(scenario: &str, seed: u64, scale: Scale) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("target/faults/{scenario}-{seed:016x}"));
        let facts = Facts { scenario: scenario.to_owned(), seed, ..Facts::default() };
        let notes = Notes::new(folder, facts)?;
        Ok(Self { seed, scale, notes, choices: StdRng::seed_from_u64(seed) })
    }

    /// A number for the short set, and one for the full.
    pub(crate) fn scaled<T>(&self, short: T, full: T) -> T {
        match self.scale {
            Scale::Short => short,
            Scale::Full => full,
        }
    }

    /// A fault, or the load before and after one, goes on for so long.
    pub(crate) async fn lasts(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
