//! `hubbub doctor`: quiet where all is well, and by name where it is not.
use std::{net::SocketAddr, process::Command, sync::Arc, time::Duration};

use rstest::rstest;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{
    Alone, Cluster, Meddling, Node, Redis, Settings, beside, eventually, meddler,
};

/// What it says, and how it exits.
struct Diagnosis {
    code: Option<i32>,
    report: Value,
}

impl Diagnosis {
    fn mistakes(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    /// Names this mistake, in words, with its place and what to do.
    fn names(&self, mistake: &str) {
        assert!(self.mistakes().contains(&mistake), "{:#}", self.report);
        assert_eq!(self.code, Some(1), "{:#}", self.report);
        for finding in self.report["findings"].as_array().unwrap() {
            for part in ["what", "at", "todo"] {
                assert!(finding[part].as_str().unwrap().len() > 5, "{finding}");
            }
        }
    }

    fn is_well(&self) {
        assert_eq!(self.mistakes(), [""; 0], "{:#}", self.report);
        assert_eq!((self.code, &self.report["healthy"]), (Some(0), &Value::Bool(true)));
    }
}

async fn doctor(address: SocketAddr, arguments: &[&str]) -> Diagnosis {
    let url = format!("http://{address}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    command.env_clear().args(["doctor", &url, "--json"]).args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let report =
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    Diagnosis { code: ran.status.code(), report }
}

/// Pings often enough for a test to wait for one, seldom enough for something to come between.
fn pinging() -> Settings {
    Settings::default().with("engine.ping_interval", "3s").with("engine.ping_timeout", "10s")
}

async fn two_nodes() -> [Arc<Node>; 2] {
    Cluster::start_on(Arc::new(Redis::start().await), pinging()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_node_has_no_finding() {
    let settings = pinging().with("server.origins", "https://a.example");
    let node = Alone::start_with(settings).await;
    let internal = format!("http://{}", node.internal());

    let with_everything =
        ["--origin", "https://a.example", "--internal", internal.as_str(), "--for", "4s"];
    let seen = doctor(node.address(), &with_everything).await;

    seen.is_well();
    let good = seen.report["seen"].to_string();
    for part in [
        "long-polling",
        "a WebSocket reached the node",
        "long polls were left",
        "durability is disk",
        "let in",
    ] {
        assert!(good.contains(part), "{part}: {good}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_long_polling_nothing_need_be_sticky() {
    let settings = pinging().with("engine.polling", false);
    let nodes: [Arc<Node>; 2] = Cluster::start_on(Arc::new(Redis::start().await), settings).await;
    let spread = meddler(Meddling::Spreads, &nodes).await;

    doctor(spread, &[]).await.is_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_another_exit_than_a_mistake() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();

    let seen = doctor(free, &[]).await;

    assert_eq!((seen.code, &seen.report["reached"]), (Some(2), &Value::Bool(false)));
}

#[rstest]
#[case::sticky(Meddling::Spreads, "sticky")]
#[case::idle(Meddling::EndsIdle(Duration::from_secs(1)), "idle")]
#[case::held_websockets(Meddling::HoldsWebSockets, "buffered")]
#[case::held_polls(Meddling::HoldsPolls, "buffered")]
#[case::upgrade(Meddling::DropsUpgrade, "upgrade")]
#[case::clock(Meddling::Dates("Wed, 21 Oct 2015 07:28:00 GMT"), "clock")]
#[case::cors(Meddling::DropsCors, "cors")]
#[case::another_server(
    Meddling::Answers("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    "not_hubbub"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_on_the_way_is_named(#[case] what: Meddling, #[case] mistake: &str) {
    let nodes = two_nodes().await;
    let behind = if what == Meddling::Spreads { &nodes[..] } else { &nodes[..1] };
    let at = meddler(what, behind).await;

    let seen = doctor(at, &["--origin", "https://a.example"]).await;

    seen.names(mistake);
    if !matches!(what, Meddling::Answers(_)) {
        assert_eq!(seen.mistakes(), [mistake], "and no other: {:#}", seen.report);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_not_let_in_and_nodes_that_take_nobody_are_named() {
    let strict = pinging().with("server.origins", "https://a.example");
    let node = Alone::forgetful(strict).await;
    doctor(node.address(), &["--origin", "https://b.example"]).await.names("cors");

    let waiting = Cluster::start_early(Arc::new(Redis::not_yet()), pinging()).await;
    let internal = format!("http://{}", waiting.internal());
    let seen = doctor(waiting.address(), &["--internal", &internal]).await;
    seen.names("not_taken");
    seen.names("not_ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nodes_know_of_their_store_and_release_is_named() {
    let redis = Arc::new(Redis::start().await);
    let set = "CONFIG SET appendonly no maxmemory 100mb maxmemory-policy allkeys-lru";
    assert!(redis.run(set).await.unwrap().starts_with("+OK"));
    let [node]: [Arc<Node>; 1] = Cluster::start_on(redis.clone(), pinging()).await;
    let other = another_release().await;
    let (one, two) = (format!("http://{}", node.internal()), format!("http://{other}"));

    let seen = doctor(node.address(), &["--internal", &one, "--internal", &two]).await;

    for mistake in ["eviction", "durability", "mixed_releases"] {
        seen.names(mistake);
    }

    redis.hangs();
    eventually("the loss is noticed", || async {
        (node.metric("hubbub_store_up").await == 0).then_some(())
    })
    .await;
    doctor(node.address(), &["--internal", &one]).await.names("store");
    redis.goes_on();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_speaks_only_resp2_is_named() {
    let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", old.local_addr().unwrap());
    beside(async move {
        while let Ok((mut stream, _)) = old.accept().await {
            beside(async move {
                let mut asked = [0; 1_024];
                while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {
                    stream.write_all(b"-ERR unknown command 'HELLO'\r\n").await.ok();
                }
            });
        }
    });
    let node = Alone::early(pinging().with("store.url", url)).await;
    let internal = format!("http://{}", node.internal());

    eventually("it says why it waits", || async {
        let probe = node.probe("/readyz").await.unwrap();
        probe.body.contains("HELLO").then_some(())
    })
    .await;

    doctor(node.address(), &["--internal", &internal]).await.names("resp2");
}

/// The internal address of a node that is not of this release.
async fn another_release() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says = "ready\nstore: up\ndurability: disk\nnode: old\nversion: 0.0.1\n";
    let router =
        axum::Router::new().route("/readyz", axum::routing::get(move || async move { says }));
    beside(async move { axum::serve(listener, router).await.unwrap() });
    address
}
