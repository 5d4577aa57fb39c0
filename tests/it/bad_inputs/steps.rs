//! Rows of the table of bad inputs that need more than one step.
use std::collections::HashSet;

use futures_util::future::join_all;
use hubbub::domain::position::LAST_SEQ;
use rstest::rstest;
use serde_json::{Value, json};

use super::QUICK;
use crate::harness::{
    Alone, Arrival, Cluster, Node, Settings, Stage, Stopwatch, User, eventually, new_mid,
    patiently, texts,
};

async fn history(user: &User) -> Vec<String> {
    texts(&user.granted("message:history", json!({ "room": "lobby", "limit": 200 })).await)
}

// B60: the ideal is to be closed after ten; the library ignores them before we see them.
#[tokio::test]
async fn entering_a_hundred_times_is_entering_once() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    (0..100).for_each(|_| ada.raw_text("40/chat,{\"name\":\"mallory\"}"));

    let said = ada.say("still me").await;
    assert_eq!((said.seq, ada.hears().await.user.name.as_str()), (1, "ada"));
    assert_eq!(ada.so_far("session:ready"), [] as [Value; 0]);
    assert_eq!(node.metric("hubbub_sessions").await, 1);
}

// B80: likewise.
#[tokio::test]
async fn answers_to_what_was_never_asked_are_ignored() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    (0..100).for_each(|n| ada.raw_text(&format!("43/chat,{n}[]")));

    ada.granted("system:ping", json!({})).await;
}

// B72, and what 5 says of all: a refusal is an answer or a notice, and is counted either way.
#[tokio::test]
async fn what_cannot_be_read_is_counted_too() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    ada.raw_text("42/chat,[\"system:ping\",{}]garbage");

    assert_eq!(ada.next("error:notice").await["code"], "bad_request");
    let counted = node.metric("hubbub_inbound_rejected_total").await;
    assert_eq!(counted, 1);
}

// B98
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn ten_retries_at_once_from_all_nodes_are_one_message(#[case] stage: Stage) {
    let nodes = stage.start().await;
    let ada = nodes[0].join("ada", "lobby").await;
    let back = |n: usize| Arrival::of("ada").back_as(ada.session()).at(&nodes[n % 3]);
    let again = join_all((0..10).map(back)).await;
    join_all(again.iter().map(|user| user.join("lobby"))).await;
    let mid = new_mid();

    let sent = join_all(again.iter().map(|user| user.say_as(&mid, "once"))).await;

    assert_eq!(sent.iter().filter(|sent| !sent.dup).count(), 1, "{sent:?}");
    assert!(sent.iter().all(|other| other.seq == sent[0].seq), "{sent:?}");
    assert_eq!(history(&ada).await, ["once"]);
}

// B99
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_mid_is_good_for_one_text(#[case] stage: Stage) {
    let [here, ..] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let first = ada.say("first").await;

    let refused = ada.refused("message:send", ada.message(&first.mid, "second")).await;

    assert_eq!(refused["code"], "idempotency_conflict");
    assert_eq!(history(&ada).await, ["first"]);
}

// B108; private rooms, and all events, are in private.rs.
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_room_one_is_not_in_answers_like_one_that_is_not_there(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = there.join("ada", "attic").await;
    ada.say("a secret").await;
    let bob = here.join("bob", "lobby").await;
    let mid = new_mid();

    for event in [
        "message:send",
        "message:history",
        "typing:start",
        "typing:stop",
        "room:members",
        "presence:get",
    ] {
        let ask = |room: &str| match event {
            "message:send" => json!({ "room": room, "text": "hi", "mid": mid }),
            _ => json!({ "room": room }),
        };
        let exists = bob.refused(event, ask("attic")).await;
        let absent = bob.refused(event, ask("nowhere")).await;

        assert_eq!(
            (exists.to_string(), &exists["code"]),
            (absent.to_string(), &json!("not_member"))
        );
    }
    assert_eq!(ada.so_far("typing"), [] as [Value; 0]);
}

// B113 and B114
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn joining_twice_is_joining_once_and_leaving_nothing_is_fine(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let bob = there.join("bob", "lobby").await;
    let ada = here.join("ada", "lobby").await;
    bob.is_told("joined", &ada).await;

    let again = ada.join("lobby").await;
    for room in ["attic", "attic", "nowhere"] {
        ada.granted("room:leave", json!({ "room": room })).await;
    }
    let cyd = here.join("cyd", "lobby").await;

    assert_eq!(again["count"], 2);
    // Everything up to cyd's coming, which came last, says nothing of ada.
    let news = bob.next("presence:changed").await;
    assert_eq!(news["joined"].as_array().unwrap().len(), 1, "{news}");
    assert_eq!((&news["joined"][0]["id"], &news["left"]), (&json!(cyd.id()), &json!([])));
    ada.granted("room:leave", json!({ "room": "lobby" })).await;
    assert_eq!(ada.refused("room:members", json!({ "room": "lobby" })).await["code"], "not_member");
}

// B117 and B119
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_cursor_that_cannot_be_is_reset_and_not_refused(#[case] stage: Stage) {
    let [here, ..] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let said = ada.say("all there is").await;

    for (seq, mid) in [(2, said.mid.clone()), (LAST_SEQ, said.mid.clone()), (1, new_mid())] {
        let since = json!({ "epoch": said.epoch, "seq": seq, "mid": mid });
        let joined = ada.join_since("lobby", since).await;

        assert_eq!(
            (&joined["reset"], texts(&joined)),
            (&json!(true), vec!["all there is".to_owned()])
        );
    }
}

// B132; 10 000 members are as many pages more.
#[tokio::test]
async fn the_members_of_a_large_room_come_in_pages() {
    let node = Alone::forgetful(Settings::default()).await;
    let all = join_all((0..250).map(|n| {
        let (node, name) = (node.clone(), format!("user {n}"));
        async move {
            let user = node.welcome(&name).await;
            user.joins_in_the_end("lobby").await;
            user
        }
    }))
    .await;

    let (mut seen, mut cursor, mut pages) = (HashSet::new(), Value::Null, 0);
    while pages == 0 || !cursor.is_null() {
        let ask = json!({ "room": "lobby", "limit": 100, "cursor": cursor });
        let page = all[0].granted("room:members", ask).await;
        let members = page["members"].as_array().unwrap();
        assert!(members.len() <= 100 && page["count"] == 250, "{}", page["count"]);
        seen.extend(members.iter().map(|member| member["id"].as_str().unwrap().to_owned()));
        cursor = page["cursor"].clone();
        pages += 1;
    }

    assert_eq!(seen, all.iter().map(|user| user.id().to_owned()).collect());
}

// B134
#[tokio::test]
async fn without_its_store_every_event_that_needs_it_is_unavailable_and_may_be_retried() {
    let [here, ..] = Cluster::start().await;
    let lobby = json!({ "room": "lobby" });
    let mid = new_mid();
    let message = json!({ "room": "lobby", "text": "later", "mid": mid });
    let asks = [
        ("message:send", message.clone()),
        ("message:history", lobby.clone()),
        ("room:members", lobby.clone()),
        ("room:roles", lobby.clone()),
        ("room:join", json!({ "room": "attic" })),
        ("room:list", json!({})),
        ("presence:get", lobby),
    ];
    let users = join_all(asks.iter().map(|(event, _)| here.join(event, "lobby"))).await;
    here.redis().kill_once_written().await;

    let watch = Stopwatch::start();
    let refused = join_all(
        users.iter().zip(&asks).map(|(user, (event, ask))| user.refused(event, ask.clone())),
    );
    let refused = patiently("refusals", refused).await;

    assert!(watch.elapsed() < 3 * QUICK, "{:?}", watch.elapsed());
    for ((event, _), error) in asks.iter().zip(refused) {
        let said = (&error["code"], &error["retryable"]);
        assert_eq!(said, (&json!("unavailable"), &json!(true)), "{event}: {error}");
        assert!(error["retry_after_ms"].is_u64(), "{event}: {error}");
    }
    here.redis().restart().await;
    eventually("the message is taken", || async {
        (users[0].ask("message:send", message.clone()).await["ok"] == true).then_some(())
    })
    .await;
    assert_eq!(history(&users[0]).await, ["later"]);
}

// B137
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_hangs_up_while_sending_and_sends_again_has_said_it_once(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let mids: Vec<String> = (0..10).map(|_| new_mid()).collect();

    for mid in &mids {
        let hasty = comes_back(&ada, &here).await;
        hasty.begin("message:send", hasty.message(mid, mid));
        hasty.drop_connection().await;
        let again = comes_back(&ada, &there).await;
        again.say_as(mid, mid).await;
    }

    assert_eq!(history(&ada).await, mids);
}

async fn comes_back(user: &User, node: &Node) -> User {
    let back = Arrival::of("ada").back_as(user.session()).at(node).await;
    back.join("lobby").await;
    back
}
