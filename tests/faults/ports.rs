//! Loopback ports for what must come back at the same address.
use std::{collections::HashSet, net::TcpListener};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Below those that outgoing connections take, and above all slots of a Redis Cluster, so that none of them sits on a port while whoever
/// listens there is away.
const PORTS: std::ops::Range<u16> = 17_000..32_000;

/// A port where nobody listens, given out once.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<(StdRng, HashSet<u16>)>> = Mutex::new(None);
    let mut given = GIVEN.lock();
    // Not of a run's seed: two runs of one seed at once must not meet.
    let (choices, taken) = given
        .get_or_insert_with(|| (StdRng::seed_from_u64(crate::run::random_seed()), HashSet::new()));
    loop {
        let port = choices.random_range(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && taken.insert(port) {
            return port;
        }
    }
}
