//! How a node is from outside: what it says, holds open, and weighs.
use std::{fs, sync::Arc};

use serde_json::Value;

use crate::harness::{Node, eventually};

/// Descriptors a run may leave behind: connections to the store come and go.
const MORE_DESCRIPTORS: usize = 4;
/// What a run may leave in memory, in kB: what allocators keep of it, and metrics.
const MORE_MEMORY: u64 = 16 * 1024;

/// One node, as it was at the beginning.
pub(super) struct Vitals {
    node: Arc<Node>,
    pid: u32,
    descriptors: usize,
    memory: u64,
}

impl Vitals {
    pub(super) fn of(node: &Arc<Node>) -> Self {
        let pid = node.process().id();
        Self { node: node.clone(), pid, descriptors: descriptors(pid), memory: memory(pid) }
    }

    /// Nobody is left but who was there before, and nothing has gone wrong.
    pub(super) async fn are_as_before(&self) {
        eventually("the descriptors are closed", || async {
            (descriptors(self.pid) <= self.descriptors + MORE_DESCRIPTORS).then_some(())
        })
        .await;
        let memory = memory(self.pid);
        assert!(
            memory <= self.memory + MORE_MEMORY,
            "{} kB resident, and {memory} kB after all this",
            self.memory
        );
        let said = self.node.process().said();
        let bad: Vec<&String> = said.iter().filter(|line| is_bad(line)).collect();
        assert!(bad.is_empty(), "the node complains: {bad:#?}");
    }
}

fn is_bad(line: &str) -> bool {
    let level = serde_json::from_str(line).map(|line: Value| line["level"] == "ERROR");
    line.contains("panicked") || level.unwrap_or(true)
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}
