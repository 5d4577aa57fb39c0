//! E: one node on its own file.
use super::Scenario;

pub(super) fn all() -> Vec<Scenario> {
    Vec::new()
}
