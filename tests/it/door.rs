//! The door: what may not come in, what may not leak out, and streams that end midway.
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::harness::{
    Alone, Arrival, Cluster, Http, Node, Settings, Stopwatch, Transport, User, eventually, new_mid,
    patiently,
};

/// How long who was refused may stay.
const REFUSED_STAYS: Duration = Duration::from_millis(1_800);

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

async fn http(node: &Node) -> Http {
    Http::connect(node.address()).await.unwrap()
}

#[rstest]
#[case::cut_off(&["2probe"], false)]
#[case::closed(&["2probe"], true)]
#[case::cut_off_before_a_word(&[], false)]
#[case::closed_before_a_word(&[], true)]
#[tokio::test]
async fn a_change_of_transport_that_dies_midway_leaves_nothing_behind(
    #[case] said: &[&str],
    #[case] politely: bool,
) {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&node).await;
    ada.join("lobby").await;
    assert_eq!(node.metric("hubbub_sessions").await, 1);

    let sid = ada.engine_sid().await;
    // Nobody polls any more who could find out.
    ada.drop_connection().await;
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket&sid={sid}", node.address());
    let (mut probe, _) = patiently("an upgrade", connect_async(url)).await.unwrap();
    for word in said {
        probe.send(Message::text(*word)).await.unwrap();
        let answer = patiently("the probe's answer", probe.next()).await.unwrap().unwrap();
        assert_eq!(answer.into_text().unwrap().as_str(), "3probe");
    }
    if politely {
        probe.close(None).await.unwrap();
    }
    drop(probe);

    eventually("no session is left", || async {
        (node.metric("hubbub_sessions").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_change_of_transport_that_is_completed_goes_on_where_it_was() {
    let node = Alone::forgetful(Settings::default()).await;
    let bob = node.join("bob", "lobby").await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&node).await;
    ada.join("lobby").await;

    let sid = ada.engine_sid().await;
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket&sid={sid}", node.address());
    let (mut socket, _) = patiently("an upgrade", connect_async(url)).await.unwrap();
    socket.send(Message::text("2probe")).await.unwrap();
    patiently("the probe's answer", socket.next()).await.unwrap().unwrap();
    socket.send(Message::text("5")).await.unwrap();
    let message = json!(["message:send", { "room": "lobby", "text": "up", "mid": new_mid() }]);
    socket.send(Message::text(format!("42/chat,9{message}"))).await.unwrap();

    assert_eq!(bob.hears_texts(1).await, ["up"]);
    bob.say("heard").await;
    let heard = async {
        loop {
            let frame = socket.next().await.unwrap().unwrap().into_text().unwrap();
            if frame.contains("heard") {
                return;
            }
        }
    };
    patiently("what bob said", heard).await;
}

#[tokio::test]
async fn an_event_that_is_too_large_ends_the_connection_on_a_websocket() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    ada.emit("message:send", &ada.message(&new_mid(), &"x".repeat(70_000)));

    ada.closed().await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_and_ends_the_connection_on_polling() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&node).await;
    ada.join("lobby").await;

    let refused = ada.refused("message:send", ada.message(&new_mid(), &"x".repeat(70_000))).await;

    assert_eq!(refused["code"], "too_large");
    ada.closed().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_taken() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&node).await;
    let path = format!("{POLLING}&sid={}", ada.engine_sid().await);

    let answer = http(&node).await.post(&path, &"4".repeat(1_100_000)).await.unwrap();

    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn an_old_protocol_that_is_switched_off_is_refused_by_its_number() {
    let node = Alone::forgetful(Settings::default().with("engine.eio3", false)).await;

    let answer = http(&node).await.get("/socket.io/?EIO=3&transport=polling").await.unwrap();

    assert_eq!(answer.status, 400);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["code"], 5, "{body}");
    assert_eq!(http(&node).await.get(POLLING).await.unwrap().status, 200);
}

// T1, T2
#[tokio::test]
async fn a_page_of_another_origin_is_turned_away_where_origins_are_listed() {
    let ours = "https://chat.example";
    let node = Alone::forgetful(Settings::default().with("server.origins", ours)).await;
    let ask = async |origin: &str, what: &str| {
        let head = format!("{what} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\n");
        let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let more = match what {
            _ if what.contains("websocket") => upgrade,
            _ if what.starts_with("OPTIONS") => "access-control-request-method: POST\r\n",
            _ => "content-length: 0\r\n",
        };
        http(&node).await.raw(&format!("{head}{more}\r\n")).await.unwrap()
    };
    let by_websocket = "GET /socket.io/?EIO=4&transport=websocket";

    for origin in [
        "https://evil.example",
        "null",
        "http://chat.example",
        "https://chat.example:8443",
        "https://chat.example.evil.example",
        "https://CHAT.example",
    ] {
        for what in [&format!("GET {POLLING}"), &format!("POST {POLLING}"), by_websocket] {
            let answer = ask(origin, what).await;
            assert_eq!(answer.status, 403, "{origin} {what}: {answer:?}");
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body["code"], 4, "{body}");
        }
        let preflight = ask(origin, &format!("OPTIONS {POLLING}")).await;
        assert_eq!(preflight.header("access-control-allow-origin"), None, "{origin}");
    }
    assert_eq!(node.metric("hubbub_connections").await, 0);

    let preflight = ask(ours, &format!("OPTIONS {POLLING}")).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some(ours));
    assert_eq!(ask(ours, &format!("GET {POLLING}")).await.status, 200);
    assert_eq!(ask(ours, by_websocket).await.status, 101);
    assert_eq!(http(&node).await.get(POLLING).await.unwrap().status, 200, "no page, no origin");
}

// T4, T33, T34
#[tokio::test]
async fn what_strangers_write_stands_in_no_log_and_in_no_metric() {
    const SECRET: &str = "a-token-that-nobody-may-read";
    let odd = ["{\"level\":\"ERROR\"}", "%n%s%x", "odd-one-\\u001b[2J", "odd-one-\"}"];
    let node = Alone::forgetful(Settings::default().with("log.level", "debug")).await;

    for odd in odd {
        let head = format!("user-agent: {odd}\r\nreferer: {odd}\r\nx-request-id: {odd}\r\n");
        for path in [&format!("{POLLING}&token={SECRET}"), "/odd-one%0a%1b[2J", "/odd-one?%0d%0a"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n");
            http(&node).await.raw(&request).await.unwrap();
        }
    }
    let ada = Arrival::of("odd-one \u{1f4a3}").at(&node).await;
    for n in 0..15 {
        ada.join(&format!("odd-one-{n}")).await;
        let event = format!("odd-one-{n} %n {{}}");
        assert_eq!(ada.refused(&event, json!({})).await["code"], "unknown_event");
        ada.refused("room:join", json!({ "room": format!("odd-one\n{n}") })).await;
    }
    ada.say(&format!("{SECRET} odd-one %n")).await;

    let said = node.process().said();
    assert!(!said.is_empty());
    for line in &said {
        let entry: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no line: {line:?}"));
        assert!(entry["level"] != "ERROR" && !line.contains(SECRET), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let metrics = node.probe("/metrics").await.unwrap().body;
    assert!(!metrics.contains("odd-one") && !metrics.contains(SECRET), "{metrics}");
}

#[rstest]
#[case::by_websocket(Transport::WebSocket)]
#[case::by_polling(Transport::Polling)]
#[tokio::test]
async fn who_is_refused_may_hear_it_and_is_gone_soon(#[case] transport: Transport) {
    let node = Alone::forgetful(Settings::default()).await;

    let mallory = Arrival::of("admin").by(transport).knock(node.address()).await;
    let watch = Stopwatch::start();
    mallory.closed().await;

    assert!(watch.elapsed() < REFUSED_STAYS, "stayed for {:?}", watch.elapsed());
    assert_eq!(mallory.is_refused().await["message"], "reserved");
}

#[tokio::test]
async fn a_node_that_is_going_sends_new_people_elsewhere() {
    // Going takes long enough to be asked meanwhile.
    let settings = Settings::default().with("drain.spread", "12s").with("drain.deadline", "1m");
    let node = Alone::forgetful(settings).await;
    let staying = [node.welcome("ada").await, node.welcome("bob").await, node.welcome("cyd").await];

    node.signal(rustix::process::Signal::TERM);
    staying[0].next("system:notice").await;
    let ready = node.readyz().await;
    let answer = http(&node).await.get(POLLING).await.unwrap();

    assert_eq!((ready, answer.status), (503, 503), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(node.metric_of("hubbub_handshake_refused_total", "reason=\"draining\"").await, 1);
    node.ends_well().await;
}

#[tokio::test]
async fn the_secret_of_a_session_is_told_to_nobody_else() {
    let settings = Settings::default().with("log.level", "debug");
    let [here, there, _] = Cluster::start_with(settings).await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&here).await;
    let page = Arrival::classic().at(&here).await;
    let users = [ada, page, here.welcome("bob").await, there.welcome("cyd").await];
    let [ada, page, bob, cyd] = &users;
    for user in [ada, bob, cyd] {
        user.join("lobby").await;
        user.granted("typing:start", json!({ "room": "lobby" })).await;
        user.say("hello").await;
    }
    page.emit("adduser", &json!("dan"));
    page.emit("message", &json!("from a page"));
    page.emit("chat message", &json!("from another page"));
    cyd.granted("room:members", json!({ "room": "lobby" })).await;
    while cyd.hears().await.text != "from another page" {}
    page.next("users").await;

    let mut secrets = Vec::new();
    for user in &users {
        secrets.push(user.engine_sid().await);
    }
    let mut told = vec![
        ("Redis", here.redis().written()),
        ("here's metrics", here.probe("/metrics").await.unwrap().body),
        ("there's metrics", there.probe("/metrics").await.unwrap().body),
        ("here's log", here.process().said().join("\n")),
        ("there's log", there.process().said().join("\n")),
    ];
    told.extend(users.iter().map(|user: &User| ("somebody", user.everything())));
    for (whom, told) in told {
        assert!(!told.is_empty(), "{whom} was told nothing");
        for secret in &secrets {
            assert!(!told.contains(secret), "{whom} was told {secret}: {}", around(&told, secret));
        }
    }
}

/// The line in which it stands.
fn around<'a>(text: &'a str, what: &str) -> &'a str {
    text.lines().find(|line| line.contains(what)).unwrap_or(text)
}
