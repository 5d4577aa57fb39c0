//! What nodes say of themselves at their internal address: ready, store, durability, release.
use std::collections::BTreeSet;

use reqwest::{Client, StatusCode, Url};

use super::{
    PATIENCE,
    report::{Mistake, Report},
};

pub(super) async fn look(client: &Client, nodes: &[Url], report: &mut Report) {
    let mut releases = BTreeSet::new();
    for node in nodes {
        let mut url = node.clone();
        url.set_path("/readyz");
        let answer = match client.get(url.clone()).timeout(PATIENCE).send().await {
            Ok(answer) => (answer.status(), answer.text().await.unwrap_or_default()),
            Err(error) => {
                let why = anyhow::Error::from(error);
                let what = format!("a node does not answer: {}", why.root_cause());
                report.found(Mistake::NotReady, what, url);
                continue;
            }
        };
        match answer {
            (StatusCode::OK, body) => releases.extend(read(&body, url.as_str(), report)),
            // What HELLO is answered by whoever does not know it.
            (_, body) if body.contains("HELLO") || body.contains("NOPROTO") => {
                let what = format!("a node's store speaks RESP2 only: {}", body.trim());
                report.found(Mistake::Resp2, what, url);
            }
            (status, body) => {
                let what = format!("a node is not ready: {status}, {}", body.trim());
                report.found(Mistake::NotReady, what, url);
            }
        }
    }
    if releases.len() > 1 {
        let all = releases.into_iter().collect::<Vec<_>>().join(", ");
        let at = nodes.iter().map(Url::as_str).collect::<Vec<_>>().join(", ");
        report.found(Mistake::MixedReleases, format!("nodes of different releases: {all}"), at);
    }
}

/// The release it says it is.
fn read(body: &str, at: &str, report: &mut Report) -> Option<String> {
    let of = |key: &str| body.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    if of("store") != Some("up") {
        report.found(Mistake::Store, "a node cannot reach its store", at);
    }
    for danger in body.lines().filter_map(|line| line.strip_prefix("danger: ")) {
        let is_eviction = danger.contains("evicts");
        let code = if is_eviction { Mistake::Eviction } else { Mistake::Durability };
        report.found(code, danger, at);
    }
    match of("durability") {
        Some("none") => {
            let what = "what is acknowledged does not survive a restart of the store";
            report.found(Mistake::Durability, what, at);
        }
        Some(level) => {
            let node = of("node").unwrap_or("a node");
            report.seen(format!("{node} is ready, its durability is {level}"));
        }
        None => {}
    }
    of("version").map(str::to_owned)
}
