//! Rooms that are somebody's: who is not in one cannot tell it from none, and who is says and hears
//! what their role there allows, on whichever node.
use std::{fs, sync::Arc};

use futures_util::future::join_all;
use hubbub::{
    config::Config, domain::room::RoomId, gateway::CLIENT_EVENTS, lifecycle::Lifecycle, redis::Link,
};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Alone, Arrival, Cluster, Node, Settings, Stage, User, eventually, new_mid, patiently, texts,
};

const SECRET: &str = "whoever keeps order, wherever they are";

/// A node's settings with the admins' secret, which is in a file.
fn settings() -> (Settings, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hubbub.toml");
    fs::write(&file, format!("[auth]\nadmin_secret = \"{SECRET}\"\n")).unwrap();
    (Settings::default().with("--config", file.display()), folder)
}

async fn start(stage: Stage) -> [Arc<Node>; 3] {
    let (settings, _file) = settings();
    stage.start_with(settings).await
}

async fn admin_at(node: &Node) -> User {
    Arrival::of("root").with_token(SECRET).at(node).await
}

/// A private room of one's own.
async fn makes_room(owner: &User) -> String {
    let made = owner.granted("room:create", json!({})).await;
    made["room"].as_str().unwrap().to_owned()
}

async fn invites(by: &User, room: &str, user: &User, role: &str) {
    let invite = json!({ "room": room, "user": user.id(), "role": role });
    by.granted("room:invite", invite).await;
}

/// The code with which a message of somebody's is refused, or `ok`.
async fn says(user: &User, room: &str) -> Value {
    let message = json!({ "room": room, "text": "hello", "mid": new_mid() });
    let ack = user.ask("message:send", message).await;
    if ack["ok"] == true { json!("ok") } else { ack["error"]["code"].clone() }
}

/// What each event that names a room is asked with; `None`: it names none.
fn asks(event: &str, room: &str) -> Option<Value> {
    Some(match event {
        "message:send" => json!({ "room": room, "text": "hi", "mid": "not-yet-said-0123" }),
        "moderation:kick" | "moderation:ban" | "moderation:unban" | "moderation:mute"
        | "moderation:unmute" | "room:invite" | "room:uninvite" => {
            json!({ "room": room, "user": "g_somebody" })
        }
        "room:update" => json!({ "room": room, "slow_mode_ms": 5, "announce": true }),
        "room:create" => json!({ "room": room, "visibility": "public" }),
        "room:join" | "room:leave" | "room:members" | "message:history" | "typing:start"
        | "typing:stop" | "presence:get" | "moderation:list" | "moderation:record"
        | "room:roles" => json!({ "room": room }),
        "room:list" | "direct:open" | "direct:list" | "session:rename" | "session:refresh"
        | "moderation:revoke" | "system:ping" => return None,
        new => panic!("say here what {new} has to do with a room"),
    })
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_room_that_is_not_one_s_own_answers_every_event_like_one_that_is_not_there(
    #[case] stage: Stage,
) {
    let [here, there, yonder] = start(stage).await;
    let (ada, cyd) = (here.welcome("ada").await, yonder.welcome("cyd").await);
    let (bob, root) = (there.welcome("bob").await, admin_at(&there).await);
    let den = makes_room(&ada).await;
    let direct = ada.granted("direct:open", json!({ "user": cyd.id() })).await;
    let direct = direct["room"].as_str().unwrap();
    for room in [&den, direct] {
        ada.join(room).await;
        ada.say("a secret").await;
    }
    let absent = hubbub::clock::new_private_room(None).unwrap();
    let none = RoomId::direct(&"g_x".parse().unwrap(), &"g_y".parse().unwrap()).unwrap();

    for who in [&bob, &root] {
        for event in CLIENT_EVENTS {
            for (is, is_not) in [(den.as_str(), absent.as_str()), (direct, none.as_str())] {
                let Some(ask) = asks(event, is) else { continue };
                let there = who.ask(event, ask).await;
                let nowhere = who.ask(event, asks(event, is_not).unwrap()).await;

                assert_eq!(there.to_string(), nowhere.to_string(), "{event} of {}", who.name());
                let tells_nothing = ["room:leave"].contains(event);
                assert_eq!(there["ok"] == true, tells_nothing, "{event}: {there}");
            }
        }
        let listed = who.granted("room:list", json!({})).await;
        assert_eq!((&listed["rooms"], &listed["mine"]), (&json!([]), &json!([])), "{listed}");
        let listed = who.granted("direct:list", json!({})).await;
        assert_eq!(listed["conversations"], json!([]));
        let told = who.everything();
        assert!(!told.contains("a secret") && !told.contains(ada.id()), "{told}");
    }
    assert_eq!(ada.so_far("typing"), [] as [Value; 0]);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_invited_comes_in_and_who_is_uninvited_hears_no_more(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let (ada, bob) = (here.welcome("ada").await, there.welcome("bob").await);
    let again = Arrival::of("bob").back_as(bob.session()).at(&yonder).await;
    let cyd = yonder.welcome("cyd").await;
    let den = makes_room(&ada).await;
    ada.join(&den).await;
    ada.say("before").await;
    ada.hears().await;

    for guest in [&bob, &cyd] {
        invites(&ada, &den, guest, "member").await;
    }

    for device in [&bob, &again] {
        let told = device.next("room:invited").await;
        assert_eq!((&told["room"], &told["role"]), (&json!(den), &json!("member")));
        assert_eq!(told["by"]["id"], ada.id());
        let joined = device.join(&den).await;
        assert_eq!(
            (texts(&joined), &joined["me"]["role"]),
            (vec!["before".into()], &json!("member"))
        );
    }
    cyd.join(&den).await;
    bob.say("here I am").await;
    for ear in [&ada, &bob, &again, &cyd] {
        assert_eq!(ear.hears_texts(1).await.last().unwrap(), "here I am");
    }
    // It is theirs for good: they find it when they come back, and among the rooms.
    let third = Arrival::of("bob").back_as(bob.session()).at(&here).await;
    let mine = json!([{ "room": den, "role": "member", "announce": false }]);
    assert_eq!(third.ready()["rooms"], mine);
    let listed = third.granted("room:list", json!({})).await;
    let head = json!([{ "room": den, "head": 2, "role": "member", "announce": false }]);
    assert_eq!((&listed["mine"], &listed["rooms"]), (&head, &json!([])));

    ada.granted("room:uninvite", json!({ "room": den, "user": bob.id() })).await;

    for device in [&bob, &again] {
        let removed = device.next("room:removed").await;
        assert_eq!((&removed["room"], &removed["reason"]), (&json!(den), &json!("uninvite")));
    }
    ada.say("after").await;
    assert_eq!(cyd.hears_texts(1).await, ["after"]);
    for device in [&bob, &again, &third] {
        assert_eq!(says(device, &den).await, "not_member");
        let refused = device.refused("room:join", json!({ "room": den })).await;
        assert_eq!(refused["code"], "not_found");
        assert!(!device.everything().contains("after"));
    }
    let back = Arrival::of("bob").back_as(bob.session()).at(&there).await;
    assert_eq!(back.ready()["rooms"], json!([]));
    let members = ada.sees_in(&den).await;
    assert!(!members.contains(&bob.id().to_owned()), "{members:?}");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn in_an_announce_only_room_all_read_and_who_keeps_order_writes(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let root = admin_at(&here).await;
    let ask = json!({ "room": "news", "visibility": "public", "announce": true });
    root.granted("room:create", ask.clone()).await;
    assert_eq!(root.refused("room:create", ask).await["code"], "conflict");
    let (ada, bob) = (there.welcome("ada").await, yonder.welcome("bob").await);
    root.join("news").await;
    root.say("the first news").await;

    for reader in [&ada, &bob] {
        let joined = reader.join("news").await;
        assert_eq!(texts(&joined), ["the first news"]);
        assert_eq!(
            (&joined["me"]["role"], &joined["me"]["announce"]),
            (&json!("guest"), &json!(true))
        );
        assert_eq!(says(reader, "news").await, "forbidden");
        let refused = reader.refused("typing:start", json!({ "room": "news" })).await;
        assert_eq!(refused["code"], "forbidden");
    }
    invites(&root, "news", &ada, "moderator").await;
    ada.say("more news").await;
    assert_eq!(bob.hears_texts(1).await, ["more news"]);
    let refused = bob.refused("room:update", json!({ "room": "news", "announce": false })).await;
    assert_eq!(refused["code"], "forbidden");
    ada.granted("room:update", json!({ "room": "news", "announce": false })).await;
    bob.say("thanks").await;
    ada.granted("moderation:mute", json!({ "room": "news", "user": bob.id() })).await;
    assert_eq!(says(&bob, "news").await, "muted", "who keeps order there moderates there");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_only_reads_hears_everything_and_says_nothing(#[case] stage: Stage) {
    let [here, there, _] = start(stage).await;
    let (ada, bob) = (here.welcome("ada").await, there.welcome("bob").await);
    let den = makes_room(&ada).await;
    invites(&ada, &den, &bob, "read_only").await;
    ada.join(&den).await;
    assert_eq!(bob.join(&den).await["me"]["role"], "read_only");

    ada.say("listen").await;

    assert_eq!(bob.hears_texts(1).await, ["listen"]);
    assert_eq!(says(&bob, &den).await, "forbidden");
    let refused = bob.refused("typing:start", json!({ "room": den })).await;
    assert_eq!(refused["code"], "forbidden");
    invites(&ada, &den, &bob, "member").await;
    assert_eq!(says(&bob, &den).await, "ok");
    // The node has heard of it by now, or does soon.
    eventually("they may type too", || async {
        let ack = bob.ask("typing:start", json!({ "room": den })).await;
        (ack["ok"] == true).then_some(())
    })
    .await;
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_conversation_of_two_is_on_every_device_of_both_and_nobody_else_s(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let (ada, bob) = (here.welcome("ada").await, there.welcome("bob").await);
    let also_ada = Arrival::of("ada").back_as(ada.session()).at(&there).await;
    let also_bob = Arrival::of("bob").back_as(bob.session()).at(&yonder).await;

    let opened = ada.granted("direct:open", json!({ "user": bob.id() })).await;

    let room = opened["room"].as_str().unwrap();
    for (device, with) in [(&bob, &ada), (&also_bob, &ada), (&also_ada, &bob)] {
        let told = device.next("room:invited").await;
        assert_eq!((&told["room"], &told["with"]), (&json!(room), &json!(with.id())));
    }
    let devices = [&ada, &also_ada, &bob, &also_bob];
    join_all(devices.map(|device| device.join(room))).await;
    bob.say("just us").await;
    for device in devices {
        assert_eq!(device.hears_texts(1).await, ["just us"]);
    }
    // Whoever opens it, and however often, it is the same one.
    let again = also_bob.granted("direct:open", json!({ "user": ada.id() })).await;
    assert_eq!(again, opened);
    for (one, other) in [(&ada, &bob), (&bob, &ada)] {
        let listed = one.granted("direct:list", json!({})).await;
        let expected = json!([{ "room": room, "with": other.id(), "head": 1 }]);
        assert_eq!(listed["conversations"], expected);
    }
    assert_eq!(ada.so_far("room:invited"), [] as [Value; 0]);

    // A third one is neither asked in, nor let in.
    let cyd = yonder.welcome("cyd").await;
    let guess = RoomId::direct(&bob.id().parse().unwrap(), &ada.id().parse().unwrap()).unwrap();
    assert_eq!(guess.as_str(), room);
    let refused = cyd.refused("room:join", json!({ "room": room })).await;
    assert_eq!(refused["code"], "not_found");
    let invite = json!({ "room": room, "user": cyd.id() });
    assert_eq!(ada.refused("room:invite", invite.clone()).await["code"], "forbidden");
    assert_eq!(cyd.refused("room:invite", invite).await["code"], "not_found");
    let with_oneself = ada.refused("direct:open", json!({ "user": ada.id() })).await;
    assert_eq!(with_oneself["field"], "user");
    // Who gives it up has it no more, until either opens it again.
    bob.granted("room:uninvite", json!({ "room": room, "user": bob.id() })).await;
    also_bob.next("room:removed").await;
    assert_eq!(says(&also_bob, room).await, "not_member");
    ada.granted("direct:open", json!({ "user": bob.id() })).await;
    also_bob.join(room).await;
}

#[tokio::test]
async fn an_owner_says_who_keeps_order_and_hands_the_room_on() {
    let node = Alone::forgetful(Settings::default()).await;
    let names = ["ada", "bob", "cyd"];
    let [ada, bob, cyd] = names.map(|name| node.welcome(name));
    let (ada, bob, cyd) = tokio::join!(ada, bob, cyd);
    let den = makes_room(&ada).await;
    let ask = |user: &User, role: &str| json!({ "room": den, "user": user.id(), "role": role });

    invites(&ada, &den, &bob, "moderator").await;
    invites(&bob, &den, &cyd, "member").await;
    for (event, ask) in [
        ("room:invite", ask(&cyd, "moderator")),
        ("room:invite", ask(&cyd, "owner")),
        ("room:invite", ask(&ada, "member")),
        ("room:invite", ask(&bob, "owner")),
        ("room:uninvite", json!({ "room": den, "user": ada.id() })),
    ] {
        assert_eq!(bob.refused(event, ask.clone()).await["code"], "forbidden", "{event} {ask}");
    }
    assert_eq!(cyd.refused("room:invite", ask(&bob, "member")).await["code"], "forbidden");
    assert_eq!(ada.refused("room:invite", ask(&bob, "guest")).await["field"], "role");
    let leaves = json!({ "room": den, "user": ada.id() });
    assert_eq!(ada.refused("room:uninvite", leaves.clone()).await["code"], "forbidden");

    invites(&ada, &den, &cyd, "owner").await;

    assert_eq!(cyd.join(&den).await["me"]["role"], "owner");
    assert_eq!(ada.join(&den).await["me"]["role"], "moderator");
    // Nothing a moderator lays down holds against who keeps order.
    ada.granted("moderation:ban", json!({ "room": den, "name": "cyd" })).await;
    cyd.say("still here").await;
    let record = cyd.granted("moderation:record", json!({ "room": den })).await;
    let deeds: Vec<&Value> =
        record["acts"].as_array().unwrap().iter().map(|act| &act["deed"]).collect();
    assert_eq!(deeds, ["ban", "invite", "invite", "invite", "invite"]);
    ada.granted("room:uninvite", leaves).await;
    assert_eq!(says(&ada, &den).await, "not_member");
}

#[tokio::test]
async fn who_may_make_what_is_configured_and_has_an_end() {
    let settings = Settings::default().with("limits.rooms_per_user", 2);
    let node = Alone::forgetful(settings).await;
    let (ada, bob) = (node.welcome("ada").await, node.welcome("bob").await);
    let public = |room: &str| json!({ "room": room, "visibility": "public" });

    for (ask, code) in [
        (public("hall"), "forbidden"),
        (public("lobby"), "conflict"),
        (public("prv_hall"), "reserved"),
        (json!({ "visibility": "public" }), "bad_request"),
        (json!({ "room": "x".repeat(34) }), "bad_request"),
    ] {
        assert_eq!(ada.refused("room:create", ask.clone()).await["code"], code, "{ask}");
    }
    let named = ada.granted("room:create", json!({ "room": "x".repeat(33) })).await;
    assert!(named["room"].as_str().unwrap().ends_with(&format!("_{}", "x".repeat(33))), "{named}");
    let direct = ada.granted("direct:open", json!({ "user": "g_nobody" })).await;
    for (event, ask) in [("room:create", json!({})), ("direct:open", json!({ "user": bob.id() }))] {
        assert_eq!(ada.refused(event, ask).await["code"], "limit_exceeded", "{event}");
    }
    let den = makes_room(&bob).await;
    let invite = json!({ "room": den, "user": ada.id() });
    assert_eq!(bob.refused("room:invite", invite.clone()).await["code"], "limit_exceeded");
    ada.granted("room:uninvite", json!({ "room": direct["room"], "user": ada.id() })).await;
    bob.granted("room:invite", invite).await;

    // Who looks for rooms that are not there is told to stop.
    let mut codes = Vec::new();
    for _ in 0..21 {
        let room = hubbub::clock::new_private_room(None).unwrap();
        codes.push(bob.refused("room:join", json!({ "room": room })).await["code"].clone());
    }
    assert!(codes[..20].iter().all(|code| code == "not_found"), "{codes:?}");
    assert_eq!(codes[20], "rate_limited");
}

#[tokio::test]
async fn tutorial_pages_do_not_reach_a_private_room_by_its_name() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.welcome("ada").await;
    let den = makes_room(&ada).await;
    ada.join(&den).await;
    let page = Arrival::classic().at(&node).await;

    page.emit("chat message", &json!("of both dialects"));
    assert_eq!(page.next("chat message").await, "of both dialects");
    page.emit("IO_CLIENT_JOIN_ROOM", &json!(den));
    for _ in 0..3 {
        page.next("IO_SERVER_HELLO").await;
    }
    ada.say("a secret").await;
    ada.join("lobby").await;
    ada.say("for all").await;

    assert_eq!(page.next("chat message").await, "for all");
    assert!(!page.everything().contains("a secret"));
    assert_eq!(ada.sees_in(&den).await, [ada.id()]);
}

/// A way into the store past all nodes, so that none is told.
async fn unheard(node: &Node) -> Arc<Link> {
    let (url, store) = (node.redis().url().into(), Config::built_in().store);
    let link = Link::connect(&url, &store, &Lifecycle::default()).unwrap();
    patiently("Redis", link.ready()).await;
    link
}

/// One that was not told, and does not know that, finds it out by and by; and what else has changed.
#[tokio::test]
async fn who_was_uninvited_by_a_word_that_was_lost_is_sent_out_and_the_others_are_what_they_are() {
    let (settings, _file) = settings();
    let [node, ..] = Cluster::start_with(settings.with("rooms.position_check", "500ms")).await;
    let (ada, bob, cyd) =
        (node.welcome("ada").await, node.welcome("bob").await, node.welcome("cyd").await);
    let den = makes_room(&ada).await;
    for user in [&bob, &cyd] {
        invites(&ada, &den, user, "member").await;
        user.join(&den).await;
    }
    let link = unheard(&node).await;
    let rules = format!("{{r:{den}}}:rules");
    let write = async |command: &'static str, field: &str, value: &str| {
        let args = [&rules, field, value].into_iter().filter(|arg| !arg.is_empty());
        let args = args.map(str::to_owned).collect();
        link.command::<u64>(command, args).await.unwrap();
    };

    write("HDEL", &format!("role {}", bob.id()), "").await;
    write("HSET", &format!("role {}", cyd.id()), "read_only").await;
    write("HINCRBY", "version", "1").await;

    assert_eq!(bob.next("room:removed").await["reason"], "uninvite");
    let refused = bob.refused("message:history", json!({ "room": den })).await;
    assert_eq!(refused["code"], "not_member");
    // "Is typing" asks no store: it goes by what the node knows.
    eventually("cyd only reads", || async {
        let ack = cyd.ask("typing:start", json!({ "room": den })).await;
        (ack["ok"] == false).then_some(())
    })
    .await;
    assert_eq!(cyd.so_far("room:removed"), [] as [Value; 0]);
}

/// A node that could not be told looks when it can hear again.
#[tokio::test]
async fn who_was_uninvited_while_a_node_was_deaf_is_sent_out_when_it_hears() {
    let (settings, _file) = settings();
    let [node, ..] = Cluster::start_with(settings).await;
    let (ada, bob) = (node.welcome("ada").await, node.welcome("bob").await);
    let den = makes_room(&ada).await;
    invites(&ada, &den, &bob, "member").await;
    bob.join(&den).await;
    let link = unheard(&node).await;

    let role = [format!("{{r:{den}}}:rules"), format!("role {}", bob.id())];
    link.command::<u64>("HDEL", role.to_vec()).await.unwrap();
    // In the append itself there is no word to be lost.
    assert_eq!(says(&bob, &den).await, "not_member");
    node.redis().run("CLIENT KILL TYPE pubsub").await.unwrap();

    assert_eq!(bob.next("room:removed").await["reason"], "uninvite");
    let refused = bob.refused("message:history", json!({ "room": den })).await;
    assert_eq!(refused["code"], "not_member");
}
