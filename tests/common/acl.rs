//! The rights we ship for a node at Redis; the nodes under test have no others.
use std::path::Path;

/// The user of every node under test, and its password.
pub(crate) const NODE: &str = "node:secret";

/// What makes a Redis know that user, as arguments of the server.
pub(crate) fn arguments() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/redis/node.acl");
    let text = std::fs::read_to_string(file).unwrap();
    let rules = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
    let (name, password) = NODE.split_once(':').unwrap();
    ["--user", name, "on", &format!(">{password}")]
        .map(str::to_owned)
        .into_iter()
        .chain(rules)
        .collect()
}

/// The address of a Redis at these hosts, for a node.
pub(crate) fn url(scheme: &str, hosts: &str) -> String {
    format!("{scheme}://{NODE}@{hosts}")
}
