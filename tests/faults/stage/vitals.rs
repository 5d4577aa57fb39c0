//! What a process holds, as the kernel tells.
use std::fs;

use crate::{
    checker::{Phase, ProcessSample},
    records::Name,
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
