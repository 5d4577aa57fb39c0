//! What the documentation lists of metrics is on a living node.
use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use crate::harness::{Arrival, Cluster, Node, Redis, Settings, Transport, eventually, new_mid};

const LISTED: &str = include_str!("../../docs/metrics.md");

/// The metrics that a node shows, histograms by their own name.
async fn shown(node: &Node) -> BTreeSet<String> {
    let text = node.probe("/metrics").await.unwrap().body;
    let name = |line: &str| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned());
    text.lines().filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_listed_is_shown_and_every_one_shown_is_listed() {
    let redis = Arc::new(Redis::start().await);
    let [node]: [Arc<Node>; 1] = Cluster::start_on(redis, Settings::default()).await;
    let ada = node.join("ada", "lobby").await;
    ada.say("hello").await;
    assert_eq!(ada.hears().await.text, "hello");

    let listed: BTreeSet<String> = LISTED
        .lines()
        .filter_map(|line| Some(line.split('`').nth(1)?.to_owned()))
        .filter(|name| name.starts_with("hubbub_"))
        .collect();
    let shown: BTreeSet<String> =
        shown(&node).await.into_iter().filter(|n| n.starts_with("hubbub_")).collect();

    assert!(listed.len() > 25);
    assert_eq!(listed, shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_as_they_come_and_go() {
    let [node]: [Arc<Node>; 1] =
        Cluster::start_on(Arc::new(Redis::start().await), Settings::default()).await;
    let count = async |metric: &str, label: &str| node.metric_of(metric, label).await;

    let ada = node.welcome("ada").await;
    let polls = Arrival::of("bob").by(Transport::Polling).at(&node).await;
    assert_eq!(count("hubbub_connects_total", "result=\"ok\"").await, 2);
    for transport in ["websocket", "polling"] {
        let label = format!("transport=\"{transport}\"");
        assert_eq!(count("hubbub_connections", &label).await, 1, "{transport}");
    }

    ada.bye().await;
    polls.bye().await;
    eventually("both are gone", || async {
        let gone = node.metric("hubbub_disconnects_total").await == 2;
        (gone && node.metric("hubbub_connections").await == 0).then_some(())
    })
    .await;
    assert_eq!(count("hubbub_disconnects_total", "reason=\"client_left\"").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_and_comes_is_seen_in_the_breaker_and_counted() {
    let redis = Arc::new(Redis::start().await);
    let [node]: [Arc<Node>; 1] = Cluster::start_on(redis.clone(), Settings::default()).await;
    assert_eq!(node.metric("hubbub_store_breaker_state").await, 0);
    let ada = node.join("ada", "lobby").await;

    redis.kill_once_written().await;
    let is = async |value: i64| {
        eventually(&format!("the breaker at {value}"), || async {
            (node.metric("hubbub_store_breaker_state").await == value).then_some(())
        })
        .await;
    };
    is(2).await;
    assert_eq!(node.metric("hubbub_store_up").await, 0);
    redis.restart().await;
    is(0).await;

    assert_eq!(node.metric("hubbub_redis_reconnects_total").await, 1);
    ada.says_in_the_end("back").await;
    let refused = json!({ "room": "nowhere", "text": "x", "mid": new_mid() });
    ada.refused("message:send", refused).await;
    assert_eq!(node.metric_of("hubbub_inbound_rejected_total", "not_member").await, 1);
}
