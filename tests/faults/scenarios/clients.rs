//! C: the network and the clients.
use super::Scenario;

pub(super) fn all() -> Vec<Scenario> {
    Vec::new()
}
