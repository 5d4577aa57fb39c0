//! How a node is from outside: what it says, holds open, and weighs.
use std::{fs, net::SocketAddr, sync::Arc};

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
        let pid = who_listens_at(node.address());
        Self { node: node.clone(), pid, descriptors: descriptors(pid), memory: memory(pid) }
    }

    /// Clock ticks (10 ms) of processor time so far.
    pub(super) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // utime and stime are the 14th and 15th of all, the 12th and 13th from here.
        fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
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

/// The process behind an address: among our children, the one that holds its socket.
fn who_listens_at(address: SocketAddr) -> u32 {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", address.port());
    let inode = sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields[1].ends_with(&port) && fields[3] == "0A").then(|| fields[9].to_owned())
    });
    let socket = format!("socket:[{}]", inode.expect("somebody listens there"));
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let Ok(all) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        all.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|at| at.as_os_str() == &*socket))
    };
    pids.into_iter().find(holds).expect("the node is a process of ours")
}
