//! One trace from what a client says to its delivery on every node.
use std::{collections::BTreeSet, sync::Arc};

use rstest::rstest;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{
    Alone, Arrival, Cluster, Node, Redis, Settings, Sink, Span, User, beside, eventually, new_mid,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CLIENT}-{flags}")
}

fn sending_to(sink: &Sink, protocol: &str) -> Settings {
    Settings::default()
        .with("telemetry.traces_endpoint", sink.url())
        .with("telemetry.protocol", protocol)
        .with("telemetry.trace_ratio", 1)
}

/// Says something in the course of a trace of one's own.
async fn say_traced(user: &User, text: &str, flags: &str) {
    let mut payload = user.message(&new_mid(), text);
    payload["traceparent"] = traceparent(flags).into();
    user.granted("message:send", payload).await;
}

/// The one span of a name in a trace.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:?}");
    found[0]
}

/// Somebody on each of three nodes.
async fn in_the_lobby(nodes: &[Arc<Node>; 3]) -> [User; 3] {
    let [here, there, yonder] = nodes;
    [
        here.join("ada", "lobby").await,
        there.join("bob", "lobby").await,
        yonder.join("cyd", "lobby").await,
    ]
}

#[rstest]
#[case::http("http")]
#[case::grpc("grpc")]
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_one_trace_from_its_client_to_every_node(#[case] protocol: &str) {
    let sink = if protocol == "grpc" { Sink::grpc().await } else { Sink::http().await };
    let redis = Arc::new(Redis::start().await);
    let nodes: [Arc<Node>; 3] = Cluster::start_on(redis, sending_to(&sink, protocol)).await;
    let [ada, bob, cyd] = in_the_lobby(&nodes).await;

    say_traced(&ada, "hello", "00").await;
    for user in [&bob, &cyd] {
        assert_eq!(user.hears().await.text, "hello");
    }
    let told = sink.has(3, "deliver").await;
    sink.has(1, "message:send").await;

    let spans: Vec<Span> = sink.spans().into_iter().filter(|span| span.trace == TRACE).collect();
    let asked = one(&spans, "message:send");
    assert_eq!(asked.parent, CLIENT);
    for part in ["decode", "policy", "append"] {
        let part = one(&spans, part);
        assert_eq!((&part.parent, &part.node), (&asked.id, &asked.node), "{part:?}");
        assert!(asked.began <= part.began && part.ended <= asked.ended, "{part:?} in {asked:?}");
    }
    let append = one(&spans, "append");
    assert_eq!(one(&spans, "redis").parent, append.id);
    for span in &told {
        assert_eq!((span.trace.as_str(), &span.parent), (TRACE, &append.id), "{span:?}");
    }
    let on: BTreeSet<&str> = told.iter().map(|span| span.node.as_str()).collect();
    assert_eq!(on.len(), 3, "one on each node: {told:?}");
    assert!(on.contains(asked.node.as_str()));
    assert_eq!(spans.len(), 5 + told.len(), "{spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trace_of_the_clients_the_node_begins_one_and_a_refusal_is_seen_in_it() {
    let sink = Sink::http().await;
    let node = Alone::start_with(sending_to(&sink, "http")).await;
    let ada = node.join("ada", "lobby").await;

    ada.say("hello").await;
    ada.refused("message:send", json!({ "room": "elsewhere", "text": "x", "mid": new_mid() }))
        .await;
    let [said, refused] = sink.has(2, "message:send").await.try_into().unwrap();
    let [told] = sink.has(1, "deliver").await.try_into().unwrap();

    assert_eq!((said.parent.as_str(), said.failed), ("", false));
    assert_eq!(told.trace, said.trace);
    assert!(refused.failed);
    assert_ne!(refused.trace, said.trace);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_neither_sent_nor_in_the_log_and_not_a_byte_longer() {
    let sink = Sink::http().await;
    let redis = Arc::new(Redis::start().await);
    let settings = sending_to(&sink, "http").with("telemetry.trace_ratio", 0);
    let [node]: [Arc<Node>; 1] = Cluster::start_on(redis.clone(), settings).await;
    let [off]: [Arc<Node>; 1] = Cluster::start_on(redis.clone(), Settings::default()).await;
    let (ada, bob) = (node.join("ada", "lobby").await, off.join("bob", "lobby").await);

    say_traced(&ada, "hello", "01").await;
    say_traced(&bob, "hello", "01").await;
    assert_eq!(ada.hears_texts(2).await, ["hello", "hello"]);
    // What waits to be sent is sent at the end.
    node.stop().await;
    off.stop().await;

    let sent = sink.spans();
    assert!(sent.is_empty(), "{sent:?}");
    let log = redis.run("XRANGE {r:lobby}:log - +").await.unwrap();
    let entries: Vec<&str> = log.lines().filter(|line| line.starts_with("e1 ")).collect();
    assert_eq!(entries.len(), 2, "{log}");
    for entry in &entries {
        let (_, body) = entry.split_once('{').unwrap();
        assert!(body.ends_with(r#""text":"hello"}"#) && !body.contains("trace"), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_flag_decides_only_where_it_is_trusted() {
    let sink = Sink::http().await;
    let settings = sending_to(&sink, "http").with("telemetry.parent_based", true);
    let trusting = Alone::start_with(settings.clone().with("telemetry.trace_ratio", 0)).await;
    let told_not_to = Alone::start_with(settings).await;

    let ada = trusting.join("ada", "lobby").await;
    let bob = told_not_to.join("bob", "lobby").await;
    say_traced(&ada, "hello", "01").await;
    say_traced(&bob, "hello", "00").await;
    assert_eq!((ada.hears().await.text, bob.hears().await.text), ("hello".into(), "hello".into()));
    trusting.stop().await;
    told_not_to.stop().await;

    let said: Vec<Span> =
        sink.spans().into_iter().filter(|span| span.name == "message:send").collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].trace.as_str(), said[0].parent.as_str()), (TRACE, CLIENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_in_is_part_of_a_clients_trace_and_a_bad_one_keeps_nobody_out() {
    let sink = Sink::http().await;
    let node = Alone::forgetful(sending_to(&sink, "http")).await;

    let _ada = Arrival::of("ada").traced(&traceparent("01")).at(&node).await;
    let _bob = Arrival::of("bob").traced("nonsense").at(&node).await;

    let mut parents: Vec<String> =
        sink.has(2, "connect").await.into_iter().map(|span| span.parent).collect();
    parents.sort();
    assert_eq!(parents, ["", CLIENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceparent_that_is_none_is_refused_by_its_name() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    for bad in
        [json!("00-x"), json!(7), json!(format!("{}-{}", traceparent("01"), "y".repeat(200)))]
    {
        let mut payload = ada.message(&new_mid(), "hello");
        payload["traceparent"] = bad;
        let error = ada.refused("message:send", payload).await;
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("bad_request"), &json!("traceparent"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_hangs_is_counted_and_holds_nobody() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = silent.local_addr().unwrap();
    beside(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });

    for (address, protocol) in [(away, "http"), (hangs, "grpc"), (hangs, "http")] {
        let settings = Settings::default()
            .with("telemetry.traces_endpoint", format!("http://{address}"))
            .with("telemetry.metrics_endpoint", format!("http://{address}"))
            .with("telemetry.protocol", protocol)
            .with("telemetry.trace_ratio", 1);
        let node = Alone::forgetful(settings).await;
        let ada = node.join("ada", "lobby").await;
        ada.say("hello").await;
        eventually("what was not taken is counted", || async {
            let label = "reason=\"not_taken\"";
            (node.metric_of("hubbub_spans_dropped_total", label).await > 0).then_some(())
        })
        .await;
        ada.say("still here").await;

        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_sent_as_well() {
    let sink = Sink::http().await;
    let settings = Settings::default()
        .with("telemetry.metrics_endpoint", sink.url())
        .with("telemetry.protocol", "http")
        .with("telemetry.metrics_interval", "1s");
    let node = Alone::forgetful(settings).await;
    let ada = node.join("ada", "lobby").await;
    ada.say("hello").await;

    for name in ["hubbub_acked", "hubbub_sessions", "hubbub_store_up"] {
        sink.has_metric(name).await;
    }
    node.stop().await;
}
