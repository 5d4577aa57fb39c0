//! Whoever moderates, on whichever node: who is sent out, silenced or banned is so everywhere.
use std::{fs, sync::Arc};

use hubbub::{config::Config, lifecycle::Lifecycle, redis::Link};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Alone, Arrival, Cluster, Http, Node, Settings, Stage, Transport, User, eventually, new_mid,
    patiently,
};

const SECRET: &str = "open sesame, but for admins only, please";

/// A node's settings with the admins' secret, which is in a file, and where a proxy is believed.
fn settings() -> (Settings, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hubbub.toml");
    fs::write(&file, format!("[auth]\nadmin_secret = \"{SECRET}\"\n")).unwrap();
    let settings = Settings::default()
        .with("--config", file.display())
        .with("server.trusted_proxies", "127.0.0.0/8");
    (settings, folder)
}

async fn start(stage: Stage) -> [Arc<Node>; 3] {
    let (settings, _file) = settings();
    stage.start_with(settings).await
}

async fn admin_at(node: &Node) -> User {
    Arrival::of("root").with_token(SECRET).at(node).await
}

/// Waits for the end, which was announced as this, and does not invite to come back.
async fn is_sent_away(user: &User, code: &str) {
    let notice = user.next("system:notice").await;
    assert_eq!((&notice["code"], &notice["reconnect"]), (&json!(code), &json!(code == "kicked")));
    user.closed().await;
}

async fn is_let_in_again(arrival: Arrival, node: &Node) -> User {
    eventually("somebody is let in again", || async {
        arrival.clone().try_at(node.address()).await.ok()
    })
    .await
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_banned_on_one_node_is_out_on_another_and_stays_out(
    #[case] stage: Stage,
    #[values(Transport::Polling, Transport::WebSocket)] transport: Transport,
) {
    let [here, there, yonder] = start(stage).await;
    let root = admin_at(&here).await;
    let troll = Arrival::of("troll").by(transport).at(&there).await;
    let (bob, cyd) = (there.join("bob", "lobby").await, yonder.join("cyd", "lobby").await);
    troll.join("lobby").await;

    let ban = json!({ "user": troll.id(), "reason": "trolling" });
    root.granted("moderation:ban", ban.clone()).await;

    is_sent_away(&troll, "banned").await;
    let back = Arrival::of("troll").by(transport).back_as(troll.session());
    for node in [&here, &there, &yonder] {
        // The word may still be on its way to the third node.
        let refused = eventually("who is banned is refused", || async {
            back.clone().try_at(node.address()).await.err()
        });
        assert_eq!(refused.await["message"], "banned");
    }
    bob.say("better").await;
    assert_eq!(cyd.hears_texts(1).await, ["better"]);

    let listed = root.granted("moderation:list", json!({})).await;
    assert_eq!((&listed["count"], &listed["acts"][0]["reason"]), (&json!(1), &json!("trolling")));
    root.granted("moderation:unban", json!({ "user": troll.id() })).await;
    let troll = is_let_in_again(back, &yonder).await;
    troll.join("lobby").await;
    troll.say("sorry").await;
    let record = root.granted("moderation:record", json!({})).await;
    let deeds: Vec<&Value> =
        record["acts"].as_array().unwrap().iter().map(|act| &act["deed"]).collect();
    assert_eq!(deeds, [&json!("unban"), &json!("ban")]);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_ban_may_go_by_name_or_by_address_and_ends_by_itself(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let root = admin_at(&here).await;
    let ape = Arrival::of("Trоll").from("203.0.113.1").at(&there).await; // a Cyrillic o
    let neighbour = Arrival::of("nina").from("203.0.113.9").at(&there).await;
    let stranger = Arrival::of("sam").from("203.0.113.8").at(&there).await;

    root.granted("moderation:ban", json!({ "name": "troll" })).await;
    is_sent_away(&ape, "banned").await;
    let until = hubbub::clock::now_ms() + 2_000;
    root.granted("moderation:ban", json!({ "address": "203.0.113.9", "until": until })).await;
    is_sent_away(&neighbour, "banned").await;

    let refused = stranger.refused("session:rename", json!({ "name": "TROLL" })).await;
    assert_eq!(refused["code"], "banned");
    let by_name = Arrival::of("troll").from("203.0.113.7").try_at(there.address()).await;
    assert_eq!(by_name.err().unwrap()["message"], "banned");
    is_let_in_again(Arrival::of("nina").from("203.0.113.9"), &there).await;
    assert!(hubbub::clock::now_ms() >= until);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_muted_listens_and_says_nothing_anywhere(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let root = admin_at(&here).await;
    let troll = there.join("troll", "lobby").await;
    let bob = here.join("bob", "lobby").await;

    root.granted("moderation:mute", json!({ "user": troll.id() })).await;

    let is_refused = || async {
        let ack = troll.ask("message:send", troll.message(&new_mid(), "la")).await;
        (ack["error"]["code"] == "muted").then_some(())
    };
    eventually("who is muted is refused", is_refused).await;
    let refused = troll.refused("typing:start", json!({ "room": "lobby" })).await;
    assert_eq!(refused["code"], "muted");
    bob.say("quiet").await;
    while troll.hears().await.text != "quiet" {}
    troll.join("elsewhere").await;
    let refused = troll.refused("message:send", troll.message(&new_mid(), "la")).await;
    assert_eq!(refused["code"], "muted");

    // A new connection of the same user is as mute.
    let again = Arrival::of("troll").back_as(troll.session()).at(&here).await;
    again.join("lobby").await;
    let refused = again.refused("message:send", again.message(&new_mid(), "la")).await;
    assert_eq!(refused["code"], "muted");
    root.granted("moderation:unmute", json!({ "user": troll.id() })).await;
    eventually("who is unmuted is heard", || async {
        let ack = troll.ask("message:send", troll.message(&new_mid(), "thanks")).await;
        (ack["ok"] == true).then_some(())
    })
    .await;
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_sent_out_of_a_room_hears_it_no_more_and_is_elsewhere_as_before(
    #[case] stage: Stage,
    #[values("kick", "ban")] how: &str,
) {
    let [here, there, yonder] = start(stage).await;
    let root = admin_at(&here).await;
    let troll = there.join("troll", "hall").await;
    troll.join("lobby").await;
    let bob = yonder.join("bob", "lobby").await;
    bob.say("before").await;
    while troll.hears().await.text != "before" {}

    let order = json!({ "room": "lobby", "user": troll.id() });
    root.granted(&format!("moderation:{how}"), order.clone()).await;

    let removed = troll.next("room:removed").await;
    assert_eq!((&removed["room"], &removed["reason"]), (&json!("lobby"), &json!(how)));
    eventually("it is seen no more", || async {
        let ack = bob.granted("room:members", json!({ "room": "lobby" })).await;
        let mut members = ack["members"].as_array().unwrap().iter();
        members.all(|member| member["id"] != troll.id()).then_some(())
    })
    .await;
    bob.say("after").await;
    let refused = troll.refused("message:send", troll.message(&new_mid(), "la")).await;
    assert_eq!(refused["code"], "not_member");
    troll.join("hall").await;
    troll.say("here I am").await;
    assert_eq!(troll.hears().await.text, "here I am", "and nothing of the lobby");
    let ack = troll.ask("room:join", json!({ "room": "lobby" })).await;
    if how == "kick" {
        assert_eq!(ack["ok"], true, "{ack}");
    } else {
        assert_eq!(ack["error"]["code"], "banned", "{ack}");
        root.granted("moderation:unban", order).await;
        troll.join("lobby").await;
    }
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_room_s_mute_and_slow_mode_hold_there_and_are_said_to_who_comes(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let root = admin_at(&here).await;
    let troll = there.join("troll", "lobby").await;
    root.granted("moderation:mute", json!({ "room": "lobby", "user": troll.id() })).await;

    // In the append itself: there is nothing to wait for.
    let refused = troll.refused("message:send", troll.message(&new_mid(), "la")).await;
    assert_eq!(refused["code"], "muted");
    let joined = troll.join("lobby").await;
    assert_eq!(joined["me"]["muted_until"], json!((1u64 << 53) - 1), "{joined}");
    troll.join("elsewhere").await;
    troll.say("la").await;

    root.granted("room:update", json!({ "room": "hall", "slow_mode_ms": 3_600_000 })).await;
    let bob = there.join("bob", "hall").await;
    bob.say("one").await;
    let refused = bob.refused("message:send", bob.message(&new_mid(), "two")).await;
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("slow_mode"), &json!(true)));
    assert!(refused["retry_after_ms"].as_u64().unwrap() > 3_000_000, "{refused}");
    root.join("hall").await;
    root.say("not me").await;
    root.say("indeed").await;
}

#[tokio::test]
async fn nobody_moderates_but_who_may() {
    let (settings, _file) = settings();
    let node = Alone::forgetful(settings).await;
    let ada = node.join("ada", "lobby").await;

    for event in ["kick", "ban", "unban", "mute", "unmute"] {
        let refused = ada.refused(&format!("moderation:{event}"), json!({ "user": "g_x" })).await;
        assert_eq!(refused["code"], "forbidden", "{event}");
    }
    for (event, payload) in [
        ("moderation:revoke", json!({ "user": "g_x" })),
        ("moderation:list", json!({})),
        ("moderation:record", json!({})),
        ("room:update", json!({ "room": "lobby", "slow_mode_ms": 1 })),
    ] {
        assert_eq!(ada.refused(event, payload).await["code"], "forbidden", "{event}");
    }
    let wrong = Arrival::of("eve").with_token(&SECRET.replace('o', "0")).try_at(node.address());
    assert_eq!(wrong.await.err().unwrap()["message"], "unauthorized");

    // Against who moderates nothing holds.
    let root = admin_at(&node).await;
    root.granted("moderation:ban", json!({ "name": "root" })).await;
    root.granted("moderation:ban", json!({ "user": root.id() })).await;
    admin_at(&node).await.join("lobby").await;
    for bad in [
        json!({}),
        json!({ "user": "g_x", "name": "x" }),
        json!({ "user": "g_x", "until": 5 }),
        json!({ "user": "g_x", "until": 1u64 << 60 }),
        json!({ "address": "everywhere" }),
        json!({ "user": "g_x", "reason": "x".repeat(201) }),
    ] {
        assert_eq!(root.refused("moderation:ban", bad).await["code"], "bad_request");
    }
    let until = hubbub::clock::now_ms() + 60_000;
    let lasting = root.refused("moderation:kick", json!({ "user": "g_x", "until": until })).await;
    assert_eq!(lasting["code"], "bad_request");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn tutorial_pages_are_moderated_like_everybody(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let root = admin_at(&here).await;
    let page = Arrival::classic().from("203.0.113.5").at(&there).await;
    let other = Arrival::classic().from("203.0.113.6").at(&there).await;
    root.join("lobby").await;

    // By the name it took, by the names others may take, and by where it comes from.
    other.emit("adduser", &json!("Grace"));
    other.next("private").await;
    root.granted("moderation:mute", json!({ "room": "lobby", "name": "grace" })).await;
    other.emit("message", &json!("not heard"));
    assert_eq!(other.next("error:notice").await["code"], "muted");
    root.granted("moderation:ban", json!({ "name": "grace" })).await;
    other.closed().await;
    root.granted("moderation:ban", json!({ "address": "203.0.113.5" })).await;
    page.closed().await;
    let back = Arrival::classic().from("203.0.113.5");
    assert_eq!(back.try_at(there.address()).await.err().unwrap()["message"], "banned");

    let third = Arrival::classic().from("203.0.113.7").at(&there).await;
    third.emit("msg:post", &json!({ "user": "GRACE", "text": "not heard either" }));
    assert_eq!(third.next("error:notice").await["code"], "banned");
    third.emit("adduser", &json!("Henry"));
    third.emit("message", &json!("good day"));
    assert_eq!(root.hears_texts(1).await, ["good day"]);

    // Who is banned from their one room is not let in at all.
    root.granted("moderation:ban", json!({ "room": "lobby", "address": "203.0.113.7" })).await;
    third.closed().await;
    let back = Arrival::classic().from("203.0.113.7");
    assert_eq!(back.try_at(there.address()).await.err().unwrap()["message"], "banned");
}

#[tokio::test]
async fn an_old_client_that_polls_is_refused_like_a_new_one() {
    let (settings, _file) = settings();
    let node = Alone::forgetful(settings).await;
    let root = admin_at(&node).await;
    root.granted("moderation:ban", json!({ "address": "203.0.113.3" })).await;

    let connect = async |address| {
        let http = Http::connect(node.address()).await.unwrap();
        let mut http = http.with("x-forwarded-for", address);
        let path = "/socket.io/?EIO=3&transport=polling";
        let opened = http.get(path).await.unwrap();
        assert_eq!(opened.status, 200, "{opened:?}");
        let sid = opened.body.split('"').nth(3).unwrap().to_owned();
        let answer = patiently("its greeting", http.get(&format!("{path}&sid={sid}"))).await;
        opened.body + &answer.unwrap().body
    };

    let refused = connect("203.0.113.3").await;
    let welcome = connect("203.0.113.4").await;
    assert!(refused.contains("44") && refused.contains("banned"), "{refused}");
    assert!(!welcome.contains("banned"), "{welcome}");
}

#[tokio::test]
async fn a_ban_outlasts_the_node() {
    let (settings, _file) = settings();
    let node = Alone::start_with(settings).await;
    let root = admin_at(&node).await;
    let troll = node.join("troll", "lobby").await;
    root.granted("moderation:ban", json!({ "user": troll.id() })).await;
    is_sent_away(&troll, "banned").await;

    node.kill().await;
    node.start_again().await;

    let back = Arrival::of("troll").back_as(troll.session()).try_at(node.address()).await;
    assert_eq!(back.err().unwrap()["message"], "banned");
}

/// A way into the store past all nodes, so that none is told.
async fn unheard(node: &Node) -> Arc<Link> {
    let (url, store) = (node.redis().url().into(), Config::built_in().store);
    let link = Link::connect(&url, &store, &Lifecycle::default()).unwrap();
    patiently("Redis", link.ready()).await;
    link
}

async fn writes(link: &Link, command: &'static str, args: &[&str]) {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    link.command::<String>(command, args).await.unwrap();
}

/// A kick as it would have been written, in a room or (`{g}`) everywhere.
async fn kicks_unheard(link: &Link, place: &str, at: u64, user: &User) {
    let (rules, record) = (format!("{place}:rules"), format!("{place}:record"));
    let mut act = json!({
        "at": at, "by": { "id": "mod" }, "deed": "kick", "subject": { "user": user.id() },
    });
    if let Some(room) = place.strip_prefix("{r:") {
        act["room"] = json!(room.trim_end_matches('}'));
    }
    writes(link, "XADD", &[&record, "*", "d", &act.to_string()]).await;
    writes(link, "HINCRBY", &[&rules, "version", "1"]).await;
}

/// A node that cannot be told asks.
#[tokio::test]
async fn a_ban_whose_word_was_lost_is_found_in_the_store() {
    let (settings, _file) = settings();
    let [node, ..] = Cluster::start_with(settings).await;
    let troll = node.join("troll", "lobby").await;
    let link = unheard(&node).await;
    let by = json!({ "id": "mod" });
    let act = json!({ "at": 1, "by": by, "deed": "ban", "subject": { "user": troll.id() } });
    let rule = format!("ban u:{}", troll.id());

    writes(&link, "HSET", &["{g}:rules", &rule, &format!("0 {act}")]).await;
    writes(&link, "HINCRBY", &["{g}:rules", "version", "1"]).await;

    is_sent_away(&troll, "banned").await;
}

/// The same in a room: who only listens is found out too.
#[tokio::test]
async fn a_ban_in_a_room_whose_word_was_lost_is_found_in_the_store() {
    let (settings, _file) = settings();
    let [node, ..] = Cluster::start_with(settings.with("rooms.position_check", "500ms")).await;
    let troll = node.join("troll", "lobby").await;
    let bystander = node.join("bystander", "lobby").await;
    let act = json!({
        "at": 1, "by": { "id": "mod" }, "deed": "ban", "room": "lobby",
        "subject": { "user": troll.id() },
    });
    let (link, rule) = (unheard(&node).await, format!("ban u:{}", troll.id()));

    writes(&link, "HSET", &["{r:lobby}:rules", &rule, &format!("0 {act}")]).await;
    writes(&link, "HINCRBY", &["{r:lobby}:rules", "version", "1"]).await;

    let removed = troll.next("room:removed").await;
    assert_eq!((&removed["room"], &removed["reason"]), (&json!("lobby"), &json!("ban")));
    bystander.say("for those who stay").await;
    assert_eq!(bystander.hears().await.text, "for those who stay");
    assert!(troll.so_far("message:new").is_empty());
}

/// A kick leaves nothing that holds, but it is on record; and none is done twice.
#[tokio::test]
async fn a_kick_whose_word_was_lost_is_found_on_record_and_one_that_was_heard_is_not_done_again() {
    let (settings, _file) = settings();
    let [node, ..] = Cluster::start_with(settings.with("rooms.position_check", "500ms")).await;
    let root = admin_at(&node).await;
    let (troll, ape) = (node.join("troll", "lobby").await, node.join("ape", "lobby").await);
    let link = unheard(&node).await;
    // A first look: what was done before it concerns nobody who is there.
    let goat = node.join("goat", "lobby").await;
    let ban = json!({ "at": 1, "by": { "id": "mod" }, "deed": "ban", "room": "lobby", "subject": { "user": goat.id() } });
    let rule = format!("ban u:{}", goat.id());
    writes(&link, "HSET", &["{r:lobby}:rules", &rule, &format!("0 {ban}")]).await;
    writes(&link, "HINCRBY", &["{r:lobby}:rules", "version", "1"]).await;
    goat.next("room:removed").await;

    root.granted("moderation:kick", json!({ "room": "lobby", "user": ape.id() })).await;
    assert_eq!(ape.next("room:removed").await["reason"], "kick");
    ape.join("lobby").await;
    kicks_unheard(&link, "{r:lobby}", 1, &troll).await;

    assert_eq!(troll.next("room:removed").await["reason"], "kick");
    assert_eq!(
        troll.refused("room:members", json!({ "room": "lobby" })).await["code"],
        "not_member"
    );
    ape.granted("room:members", json!({ "room": "lobby" })).await;
    assert_eq!(ape.so_far("room:removed"), [] as [Value; 0]);
    kicks_unheard(&link, "{g}", 1, &troll).await;
    is_sent_away(&troll, "kicked").await;
    ape.say("I stay").await;
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_guest_s_session_can_be_withdrawn(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let root = admin_at(&here).await;
    let thief = there.join("ada", "lobby").await;

    root.granted("moderation:revoke", json!({ "user": thief.id() })).await;

    is_sent_away(&thief, "revoked").await;
    let back = Arrival::of("ada").back_as(thief.session()).try_at(here.address()).await;
    assert_eq!(back.err().unwrap()["message"], "unauthorized");
    here.welcome("ada").await;
}
