//! The door's own limits: whom it serves, what counts as a handshake, how much one address gets, and
//! whose a session is.
use std::sync::Arc;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    Alone, Answer, Arrival, Cluster, Http, Node, Settings, eventually, new_mid, patiently,
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

async fn http(node: &Node) -> Http {
    Http::connect(node.address()).await.unwrap()
}

async fn from(node: &Node, address: &str) -> Http {
    http(node).await.with("x-forwarded-for", address)
}

/// Behind a proxy on this machine.
fn proxied() -> Settings {
    Settings::default().with("server.trusted_proxies", "127.0.0.1")
}

fn code(answer: &Answer) -> Value {
    serde_json::from_str::<Value>(&answer.body).unwrap_or_default()["code"].clone()
}

#[tokio::test]
async fn a_request_for_another_host_is_not_served() {
    let node = Alone::forgetful(Settings::default().with("server.hosts", "chat.example")).await;

    for (host, status) in [
        ("chat.example", 200),
        ("CHAT.example:8080", 200),
        ("evil.example", 421),
        ("chat.example.evil.example", 421),
        ("127.0.0.1", 421),
        ("chat.example@evil.example", 421),
    ] {
        for path in ["/", POLLING] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
            let answer = http(&node).await.raw(&request).await.unwrap();
            let other = format!("GET http://evil.example{path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
            assert_eq!(http(&node).await.raw(&other).await.unwrap().status, 421, "{other}");
            // A name with a user in it is none that anything here looks at.
            let fits = answer.status == status || host.contains('@') && answer.status == 200;
            assert!(fits, "{host} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_request_says_once_whom_it_is_for() {
    let node = Alone::forgetful(Settings::default()).await;

    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let request = format!("GET / HTTP/1.1\r\n{hosts}\r\n");
        let answer = http(&node).await.raw(&request).await.unwrap();
        assert_eq!(answer.status, 400, "{hosts:?}");
    }
}

#[rstest]
#[case::no_upgrade(&[], 426)]
#[case::another_upgrade(&[("upgrade", "foo"), ("connection", "upgrade"), ("sec-websocket-version", "13"), ("sec-websocket-key", KEY)], 400)]
#[case::no_connection(&[("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", KEY)], 400)]
#[case::short_key(&[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13"), ("sec-websocket-key", "x")], 400)]
#[case::old_version(&[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "8"), ("sec-websocket-key", KEY)], 400)]
#[case::all_of_it(&[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-version", "13"), ("sec-websocket-key", KEY)], 101)]
#[tokio::test]
async fn only_a_whole_handshake_becomes_a_websocket(
    #[case] headers: &[(&str, &str)],
    #[case] status: u16,
) {
    let node = Alone::forgetful(Settings::default()).await;
    let mut http = http(&node).await;
    for (name, value) in headers {
        http = http.with(name, value);
    }

    let answer = http.get(WEBSOCKET).await.unwrap();

    assert_eq!(answer.status, status, "{answer:?}");
}

#[tokio::test]
async fn a_list_of_protocols_is_short_a_body_is_plain_and_methods_are_two() {
    let node = Alone::forgetful(Settings::default()).await;
    let http_with = async |name: &str, value: &str| http(&node).await.with(name, value);
    let upgrade = async || {
        let http = http_with("upgrade", "websocket").await.with("connection", "upgrade");
        http.with("sec-websocket-version", "13").with("sec-websocket-key", KEY)
    };

    let long = upgrade().await.with("sec-websocket-protocol", &"a, ".repeat(1_000));
    assert_eq!({ long }.get(WEBSOCKET).await.unwrap().status, 400);
    let squeezed = http_with("content-encoding", "gzip").await.post(POLLING, "x").await.unwrap();
    assert_eq!(squeezed.status, 415);
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        let request =
            format!("{method} {POLLING} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let answer = http(&node).await.raw(&request).await.unwrap();
        assert_eq!((answer.status, answer.header("allow").is_some()), (405, true), "{method}");
    }
    let csp = http(&node).await.get(POLLING).await.unwrap();
    let csp = csp.header("content-security-policy").unwrap().to_owned();
    assert!(csp.starts_with("default-src 'none'"), "{csp}");
}

#[tokio::test]
async fn one_address_gets_its_share_and_takes_nobody_else_s() {
    let node = Alone::forgetful(proxied().with("limits.session_rate_per_address", 1)).await;
    let ada = Arrival::of("ada").from("203.0.113.1").at(&node).await;
    ada.join("lobby").await;

    let flood = join_all(
        (0..400).map(async |_| from(&node, "203.0.113.66").await.get(POLLING).await.unwrap()),
    );
    let answers = flood.await;

    let let_in = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..100).contains(&let_in), "{let_in} of 400 were let in");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 429, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(from(&node, "203.0.113.2").await.get(POLLING).await.unwrap().status, 200);
    ada.say("not disturbed").await;
}

#[tokio::test]
async fn an_address_has_so_many_sessions_and_a_place_is_free_again() {
    let settings = proxied().with("limits.sessions_per_address", 2);
    let node = Alone::forgetful(settings).await;
    let arrival = || Arrival::of("ada").from("203.0.113.1");
    let (one, two) = (arrival().at(&node).await, arrival().at(&node).await);

    let refused = from(&node, "203.0.113.1").await.get(POLLING).await.unwrap();
    assert_eq!(refused.status, 429, "{refused:?}");
    // Nobody else's word counts: neither a client's own, nor one before the proxy's.
    let forged = from(&node, "198.51.100.1, 203.0.113.1").await.get(POLLING).await.unwrap();
    assert_eq!(forged.status, 429);
    Arrival::of("bob").from("203.0.113.2").at(&node).await.join("lobby").await;
    one.bye().await;

    crate::harness::eventually("a place is free again", || async {
        let answer = from(&node, "203.0.113.1").await.get(POLLING).await.unwrap();
        (answer.status == 200).then_some(())
    })
    .await;
    two.join("lobby").await;
}

/// A polling session on `/chat`, by hand: its path.
async fn session(http: &mut Http, auth: &Value) -> String {
    let opened = http.get(POLLING).await.unwrap();
    let sid = opened.body.split('"').nth(3).unwrap().to_owned();
    let path = format!("{POLLING}&sid={sid}");
    let entered = http.post(&path, &format!("40/chat,{auth}")).await.unwrap();
    assert_eq!(entered.status, 200);
    let mut heard = String::new();
    while !heard.contains("session:ready") {
        heard += &patiently("session:ready", http.get(&path)).await.unwrap().body;
    }
    path
}

#[tokio::test]
async fn who_knows_a_session_s_secret_but_not_its_program_gets_nothing_of_it() {
    let node = Alone::forgetful(Settings::default()).await;
    let mut hers = http(&node).await.with("user-agent", "Ada's browser");
    let path = session(&mut hers, &json!({ "name": "ada" })).await;

    for agent in ["Mallory's", ""] {
        let mut his = http(&node).await.with("user-agent", agent);
        let (read, wrote) =
            (his.get(&path).await.unwrap(), his.post(&path, "41/chat,").await.unwrap());
        assert_eq!((read.status, wrote.status), (403, 403), "{agent}");
        assert_eq!(code(&read), 4);
    }
    let mut without = http(&node).await;
    assert_eq!(without.post(&path, "1").await.unwrap().status, 403);

    hers.post(&path, "42/chat,1[\"system:ping\",{}]").await.unwrap();
    let heard = patiently("a pong", hers.get(&path)).await.unwrap();
    assert!(heard.body.contains("server_time"), "{heard:?}");
}

#[tokio::test]
async fn what_arrives_at_a_session_that_is_ending_is_not_taken() {
    let node = Alone::forgetful(Settings::default()).await;
    let bob = node.join("bob", "lobby").await;
    let mut http = http(&node).await;
    let path = session(&mut http, &json!({ "name": "ada" })).await;
    http.post(&path, "42/chat,1[\"room:join\",{\"room\":\"lobby\"}]").await.unwrap();
    let joined = patiently("the join's ack", http.get(&path)).await.unwrap();
    assert!(joined.body.contains("\"ok\":true"), "{joined:?}");

    // Too large an event ends the session, once its last word has had its time: nobody polls for it.
    let large = format!("42/chat,2[\"message:send\",{{\"room\":\"{}\"}}]", "x".repeat(70_000));
    http.post(&path, &large).await.unwrap();
    node_has_closed(&node).await;
    let message = json!({ "room": "lobby", "text": "too late", "mid": new_mid() });
    let late = http.post(&path, &format!("42/chat,3[\"message:send\",{message}]")).await.unwrap();

    assert_eq!((late.status, code(&late)), (400, json!(1)), "{late:?}");
    bob.say("the last word").await;
    assert_eq!(bob.hears_texts(1).await, ["the last word"]);
}

async fn node_has_closed(node: &Node) {
    crate::harness::eventually("a session is closed", || async {
        (node.metric("hubbub_closed_total").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_sends_what_nobody_knows_again_and_again_is_closed() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.welcome("ada").await;

    for _ in 0..60 {
        ada.emit("__proto__", &json!({}));
    }

    ada.closed().await;
    assert_eq!(node.metric_of("hubbub_closed_total", "reason=\"rate_limited\"").await, 1);
}

#[tokio::test]
async fn the_messages_of_a_user_are_counted_together_wherever_they_are_sent() {
    let slow = Settings::default().with("limits.message_rate", 1).with("limits.message_burst", 10);
    let nodes: [Arc<Node>; 3] = Cluster::start_with(slow).await;
    let first = nodes[0].welcome("ada").await;
    let mut tabs = vec![first];
    for node in &nodes[1..] {
        let session = tabs[0].session().to_owned();
        tabs.push(Arrival::of("ada").back_as(&session).at(node).await);
    }
    for tab in &tabs {
        tab.join("lobby").await;
    }

    let begun = std::time::Instant::now();
    let mut taken = 0;
    for _ in 0..10 {
        for tab in &tabs {
            let ack = tab.ask("message:send", tab.message(&new_mid(), "hi")).await;
            if ack["ok"] == true {
                taken += 1;
            } else {
                assert_eq!(ack["error"]["code"], "rate_limited", "{ack}");
            }
        }
    }

    // One's burst, what the way allows for, and what came back meanwhile: not three bursts.
    let most = 10 + 2 + 1 + begun.elapsed().as_secs();
    assert!((10..=most).contains(&taken), "{taken} of 30, at most {most}");
}

#[tokio::test]
async fn who_comes_back_joins_all_its_rooms_in_one_breath() {
    let node = Alone::forgetful(Settings::default()).await;
    let mut session = String::new();

    for _ in 0..2 {
        let mut arrival = Arrival::of("ada");
        if !session.is_empty() {
            arrival = arrival.back_as(&session);
        }
        let ada = arrival.at(&node).await;
        session = ada.session().to_owned();
        let asked: Vec<u64> = (0..100)
            .map(|n| ada.begin("room:join", json!({ "room": format!("room-{n}") })))
            .collect();
        for id in asked {
            assert_eq!(ada.answer_to(id).await["ok"], true);
        }
        ada.drop_connection().await;
    }
}

#[tokio::test]
async fn joins_and_pages_have_a_pace_and_who_keeps_to_it_is_not_closed() {
    let settings = Settings::default()
        .with("limits.join_burst", 3)
        .with("limits.history_burst", 3)
        .with("limits.history_rate", 1);
    let node = Alone::forgetful(settings).await;
    let ada = node.join("ada", "lobby").await;
    let page = json!({ "room": "lobby" });

    for (event, payload) in [("room:join", page.clone()), ("message:history", page.clone())] {
        let refused = loop {
            let answer = ada.ask(event, payload.clone()).await;
            if answer["ok"] == false {
                break answer["error"].clone();
            }
        };
        assert_eq!(
            (&refused["code"], &refused["retryable"]),
            (&json!("rate_limited"), &json!(true))
        );
        assert!(refused["retry_after_ms"].as_u64().unwrap() >= 2_000);
        eventually("its time comes", || async {
            (ada.ask(event, payload.clone()).await["ok"] == true).then_some(())
        })
        .await;
    }
    // Who does not wait is refused a while, and then closed.
    while ada.is_connected() {
        let asked: Vec<u64> = (0..50).map(|_| ada.begin("message:history", page.clone())).collect();
        for id in asked {
            ada.answer_before_the_end(id).await;
        }
    }
    assert_eq!(ada.next("system:notice").await["code"], "rate_limited");
}

#[tokio::test]
async fn who_guesses_names_of_rooms_is_no_longer_told_which_are_there() {
    let node = Alone::start_with(Settings::default()).await;
    node.join("bob", "attic").await.say("so that it is there").await;
    node.stop().await;
    let closed = Settings::default().with("rooms.open", false);
    let node = Node::start(closed, node.store()).await;
    let eve = node.welcome("eve").await;

    let mut misses = 0;
    let refused = loop {
        let room = json!({ "room": format!("guess-{misses}") });
        let refused = eve.refused("room:join", room).await;
        if refused["code"] != "not_found" {
            break refused;
        }
        misses += 1;
    };
    assert!(misses >= 20, "{misses}");
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_ms"].as_u64().unwrap() > 0);
    let there = eve.refused("room:join", json!({ "room": "attic" })).await;
    assert_eq!(there["code"], "rate_limited");
    node.join("bob", "attic").await;
}
