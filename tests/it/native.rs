//! `/chat` as its users know it, on one node alone and on three: said here, heard there.
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    Alone, Arrival, Cluster, MessageNew, Settings, Stage, Transport, User, messages, new_mid, texts,
};

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn what_is_said_on_one_node_is_heard_on_all_in_order(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let cyd = yonder.join("cyd", "lobby").await;

    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(ada.say(text).await);
    }

    for user in [&ada, &bob, &cyd] {
        for (sent, text) in sent.iter().zip(["one", "two", "three"]) {
            let heard = user.hears().await;
            assert_eq!((heard.text.as_str(), heard.user.name.as_str()), (text, "ada"));
            assert_eq!((&heard.epoch, heard.seq), (&sent.epoch, sent.seq));
            assert_eq!((&heard.mid, heard.ts), (&sent.mid, sent.ts));
            assert_eq!((heard.room.as_str(), heard.user.id.as_str()), ("lobby", ada.id()));
        }
    }
    assert_eq!(sent.iter().map(|sent| sent.seq).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_user_who_polls_hears_and_is_heard() {
    let [here, there, _] = Cluster::start().await;
    let ada = Arrival::of("ada").by(Transport::Polling).at(&here).await;
    let bob = there.join("bob", "lobby").await;
    ada.join("lobby").await;

    ada.say("by post").await;
    bob.say("by wire").await;

    assert_eq!(bob.hears_texts(2).await, ["by post", "by wire"]);
    assert_eq!(ada.hears_texts(2).await, ["by post", "by wire"]);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_joins_answer_comes_before_its_live_feed_and_meets_it(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let said: Vec<u64> = (0..300)
        .map(|n| ada.begin("message:send", ada.message(&new_mid(), &format!("{n}"))))
        .collect();

    let bob = there.welcome("bob").await;
    let join = bob.begin("room:join", json!({ "room": "lobby", "limit": 200 }));
    let (joined, heard_before) = bob.answer_after(join).await;

    // Nothing but `session:ready`.
    assert_eq!(heard_before, 1);
    let upto = joined["upto"].as_u64().unwrap();
    for seq in upto + 1..=300 {
        assert_eq!(bob.hears().await.seq, seq);
    }
    for id in said {
        assert_eq!(ada.answer_to(id).await["ok"], true);
    }
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn history_is_paged_in_both_directions(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    for n in 1..=10 {
        ada.say(&format!("{n}")).await;
    }
    let bob = there.join("bob", "lobby").await;
    let page = async |range: Value| {
        let mut ask = json!({ "room": "lobby", "limit": 4 });
        ask.as_object_mut().unwrap().extend(range.as_object().unwrap().clone());
        bob.granted("message:history", ask).await
    };

    let newest = page(json!({})).await;
    let older = page(json!({ "before": 7 })).await;
    let oldest = page(json!({ "before": 3 })).await;
    let newer = page(json!({ "after": 2 })).await;
    let around = page(json!({ "around": 5 })).await;

    assert_eq!(texts(&newest), ["7", "8", "9", "10"]);
    assert_eq!((&newest["more_before"], &newest["more_after"]), (&json!(true), &json!(false)));
    assert_eq!(texts(&older), ["3", "4", "5", "6"]);
    assert_eq!(texts(&oldest), ["1", "2"]);
    assert_eq!((&oldest["more_before"], &oldest["more_after"]), (&json!(false), &json!(true)));
    assert_eq!(texts(&newer), ["3", "4", "5", "6"]);
    assert!(texts(&around).contains(&"5".to_owned()), "{around}");
    assert_eq!((&newest["first"], &newest["head"]), (&json!(1), &json!(10)));
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_retry_on_another_node_is_the_same_message(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let mid = new_mid();
    let first = ada.say_as(&mid, "once").await;

    let again = Arrival::of("ada").back_as(ada.session()).at(&there).await;
    again.join("lobby").await;
    let second = again.say_as(&mid, "once").await;
    let other = again.refused("message:send", again.message(&mid, "twice")).await;

    assert_eq!((first.dup, second.dup), (false, true));
    assert_eq!((&second.epoch, second.seq), (&first.epoch, first.seq));
    assert_eq!(other["code"], "idempotency_conflict");
    // Heard once: what follows is the next message.
    again.say("next").await;
    assert_eq!(ada.hears_texts(2).await, ["once", "next"]);
    assert_eq!(again.hears_texts(1).await, ["next"]);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_was_cut_off_resumes_elsewhere_with_exactly_what_was_missed(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let seen = ada.say("seen").await;
    assert_eq!(bob.hears().await.seq, seen.seq);
    bob.drop_connection().await;
    ada.say("missed").await;
    ada.say("missed too").await;

    let back = Arrival::of("bob").back_as(bob.session()).at(&yonder).await;
    let joined = back.join_since("lobby", seen.cursor()).await;
    ada.say("live").await;

    assert_eq!(texts(&joined), ["missed", "missed too"]);
    let flags = [&joined["truncated"], &joined["reset"], &joined["has_more"]];
    assert_eq!(flags, [&json!(false); 3]);
    assert_eq!(back.hears_texts(1).await, ["live"]);
    assert_eq!(back.id(), bob.id());
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_was_away_too_long_is_told_that_something_is_gone(#[case] stage: Stage) {
    let settings = Settings::default().with("store.retention_messages", 3);
    let [here, there, _] = stage.start_with(settings).await;
    let ada = here.join("ada", "lobby").await;
    let seen = ada.say("seen").await;
    for n in 0..120 {
        ada.say(&format!("{n}")).await;
    }

    let bob = there.welcome("bob").await;
    let joined = bob.join_since("lobby", seen.cursor()).await;

    assert_eq!((&joined["truncated"], &joined["reset"]), (&json!(true), &json!(false)));
    assert_eq!(messages(&joined).last().unwrap().text, "119");
    assert!(joined["first"].as_u64().unwrap() > seen.seq + 1, "{joined}");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_past_that_is_not_the_logs_past_is_reset(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let sent = ada.say("first").await;
    ada.say("second").await;
    let bob = there.welcome("bob").await;

    for (since, reason) in [
        (json!({ "epoch": "another-epoch", "seq": 1, "mid": sent.mid }), "epoch_changed"),
        (json!({ "epoch": sent.epoch, "seq": 99, "mid": sent.mid }), "rolled_back"),
        (json!({ "epoch": sent.epoch, "seq": 1, "mid": new_mid() }), "diverged"),
        (json!({ "epoch": sent.epoch, "seq": 2, "mid": new_mid() }), "diverged"),
    ] {
        let joined = bob.join_since("lobby", since).await;

        assert_eq!((&joined["reset"], &joined["reason"]), (&json!(true), &json!(reason)));
        assert_eq!(texts(&joined), ["first", "second"]);
    }
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_session_brings_the_same_user_back(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.welcome("ada").await;

    let again = Arrival::of("ada").back_as(ada.session()).at(&there).await;
    let nobody = Arrival::of("ada").back_as("made.up.session").try_at(there.address()).await;

    assert_eq!(again.id(), ada.id());
    assert_ne!(again.ready()["connection"], ada.ready()["connection"]);
    assert_eq!(nobody.err().unwrap()["message"], "unauthorized");
}

async fn typers(user: &User) -> Vec<String> {
    let typing = user.next("typing").await;
    let users = typing["users"].as_array().unwrap();
    users.iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn typing_is_shown_until_it_stops_or_is_forgotten(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let lobby = json!({ "room": "lobby" });

    ada.granted("typing:start", lobby.clone()).await;
    let begun = typers(&bob).await;
    ada.granted("typing:stop", lobby.clone()).await;
    let stopped = typers(&bob).await;
    ada.granted("typing:start", lobby).await;
    let begun_again = typers(&bob).await;
    let forgotten = typers(&bob).await;

    assert_eq!((begun, stopped), (vec!["ada".to_owned()], vec![]));
    assert_eq!((begun_again, forgotten), (vec!["ada".to_owned()], vec![]));
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn another_name_is_told_as_a_change_and_not_as_a_coming_or_going(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let bob = there.join("bob", "lobby").await;
    let ada = here.join("ada", "lobby").await;
    bob.is_told("joined", &ada).await;

    let renamed = ada.granted("session:rename", json!({ "name": "grace" })).await;

    assert_eq!(renamed["user"]["name"], "grace");
    let told = bob.is_told("changed", &ada).await;
    assert_eq!(told["changed"][0]["name"], "grace");
    assert_eq!((&told["joined"], &told["left"]), (&json!([]), &json!([])));
    ada.say("under my new name").await;
    assert_eq!(bob.hears().await.user.name, "grace");
    let again = Arrival::of("grace").back_as(renamed["session"].as_str().unwrap()).at(&there).await;
    assert_eq!(again.id(), ada.id());
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn rooms_somebody_has_written_in_are_listed_page_by_page(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.welcome("ada").await;
    for room in ["alpha", "beta", "gamma"] {
        ada.join(room).await;
        ada.say("hello").await;
    }
    ada.join("silent").await;
    let bob = there.welcome("bob").await;

    let first = bob.granted("room:list", json!({ "limit": 2 })).await;
    let second = bob.granted("room:list", json!({ "limit": 2, "cursor": first["cursor"] })).await;

    let room = |name| json!({ "room": name, "head": 1 });
    assert_eq!(first["rooms"], json!([room("alpha"), room("beta")]));
    assert_eq!(second["rooms"], json!([room("gamma")]));
    assert!(second.get("cursor").is_none(), "{second}");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_beacon_says_where_an_active_room_ends(#[case] stage: Stage) {
    let settings =
        Settings::default().with("rooms.beacon", "100ms").with("rooms.position_check", "100ms");
    let [here, there, _] = stage.start_with(settings).await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;

    let sent = ada.say("the last one").await;

    assert_eq!(bob.hears().await.seq, sent.seq);
    let head = bob.next("room:head").await;
    assert_eq!(
        head,
        json!({ "room": "lobby", "epoch": sent.epoch, "seq": sent.seq, "mid": sent.mid })
    );
}

#[tokio::test]
async fn every_event_is_answered_also_without_a_payload() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;
    let unasked = ["room:list", "room:create", "direct:list", "system:ping"];
    let others = ["moderation:list", "moderation:record"];

    for event in hubbub::gateway::CLIENT_EVENTS {
        let ack = ada.ask(event, Value::Null).await;

        assert_eq!(ack["ok"], unasked.contains(event), "{event}: {ack}");
        let code = if others.contains(event) { "forbidden" } else { "bad_request" };
        assert!(ack["ok"] == true || ack["error"]["code"] == code, "{event}: {ack}");
    }
    for event in ["no:such", "", "__proto__"] {
        assert_eq!(ada.refused(event, Value::Null).await["code"], "unknown_event");
    }
}

#[tokio::test]
async fn a_refusal_nobody_waits_for_is_told_all_the_same() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;

    ada.emit("message:send", &json!({ "room": "elsewhere", "text": "hi", "mid": new_mid() }));

    assert_eq!(ada.next("error:notice").await["code"], "not_member");
}

#[tokio::test]
async fn rooms_do_not_hear_each_other() {
    let [here, there, _] = Cluster::start().await;
    let ada = here.join("ada", "attic").await;
    let bob = there.join("bob", "lobby").await;
    ada.say("up here").await;
    let cyd = here.join("cyd", "lobby").await;

    cyd.say("a marker").await;

    let heard: MessageNew = bob.hears().await;
    assert_eq!((heard.text.as_str(), heard.room.as_str()), ("a marker", "lobby"));
}
