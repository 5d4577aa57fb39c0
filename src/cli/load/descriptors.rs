//! The limit of open files: raised as far as the system lets us, and said if that is not enough.
use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::plan::Plan;

/// Besides connections: standard streams, the event loop, pipes, files.
const OTHERS: u64 = 64;

/// Makes room for the connections of the fullest process.
pub(super) fn raise(plan: &Plan) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let all = Rlimit { current: limit.maximum, maximum: limit.maximum };
        // If it is refused, what there is may still be enough.
        if setrlimit(Resource::Nofile, all).is_err() {
            limit = getrlimit(Resource::Nofile);
        }
    }
    let allowed = limit.current.unwrap_or(u64::MAX);
    let needed = needed(plan);
    if needed > allowed {
        let processes = u64::from(plan.processes) * needed.div_ceil(allowed.max(1));
        bail!(
            "{needed} file descriptors are needed and {allowed} allowed: raise the limit \
             (ulimit -n {needed}), or use --processes {processes}"
        );
    }
    Ok(())
}

fn needed(plan: &Plan) -> u64 {
    let mut each = vec![0_u64; plan.processes as usize];
    for id in 0..plan.connections {
        each[plan.process_of(id) as usize] += 1;
    }
    let most = each.into_iter().max().unwrap_or(0);
    // One that polls has two.
    let sockets = if plan.polling > 0.0 { most * 2 } else { most };
    sockets + OTHERS
}
