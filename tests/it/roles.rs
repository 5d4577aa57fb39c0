//! Who is what in a room: told to whom it concerns, on whichever node, and to nobody else.
use std::{fs, sync::Arc};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Alone, Arrival, Node, Settings, Stage, User};

const SECRET: &str = "whoever is an admin, wherever they are";

async fn start(stage: Stage) -> [Arc<Node>; 3] {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hubbub.toml");
    fs::write(&file, format!("[auth]\nadmin_secret = \"{SECRET}\"\n")).unwrap();
    stage.start_with(Settings::default().with("--config", file.display())).await
}

async fn admin_at(node: &Node) -> User {
    Arrival::of("root").with_token(SECRET).at(node).await
}

async fn gives(by: &User, room: &str, user: &User, role: &str) {
    let invite = json!({ "room": room, "user": user.id(), "role": role });
    by.granted("room:invite", invite).await;
}

/// Who is what, as all pages say it, each of which has two at most.
async fn roles(asks: &User, room: &str) -> Value {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let ask = json!({ "room": room, "after": after, "limit": 2 });
        let page = asks.granted("room:roles", ask).await;
        let some = page["roles"].as_array().unwrap();
        assert!(some.len() <= 2, "{page}");
        all.extend(some.iter().cloned());
        if page["more"] == false {
            return all.into();
        }
        after = some.last().unwrap()["user"].clone();
    }
}

/// The same as they should be: by user.
fn are(roles: &[(&User, &str)]) -> Value {
    let mut roles: Vec<_> = roles.iter().map(|(user, role)| (user.id(), *role)).collect();
    roles.sort_unstable();
    roles.iter().map(|(user, role)| json!({ "user": user, "role": role })).collect()
}

/// How one is refused.
async fn refused(asks: &User, room: &str) -> Value {
    asks.refused("room:roles", json!({ "room": room })).await
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn whoever_is_in_a_private_room_knows_who_is_what_there(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let (ada, bob) = (here.welcome("ada").await, there.welcome("bob").await);
    let (cyd, dan) = (yonder.welcome("cyd").await, yonder.welcome("dan").await);
    let (eve, root) = (there.welcome("eve").await, admin_at(&here).await);
    let made = ada.granted("room:create", json!({})).await;
    let den = made["room"].as_str().unwrap();
    gives(&ada, den, &bob, "moderator").await;
    gives(&bob, den, &cyd, "member").await;
    gives(&bob, den, &dan, "read_only").await;

    // Of those who ask only ada is there: it takes a role.
    ada.join(den).await;
    let all = are(&[(&ada, "owner"), (&bob, "moderator"), (&cyd, "member"), (&dan, "read_only")]);
    for member in [&ada, &bob, &cyd, &dan] {
        assert_eq!(roles(member, den).await, all, "{}", member.name());
    }
    let absent = hubbub::clock::new_private_room(None).unwrap();
    for stranger in [&eve, &root] {
        let told = refused(stranger, den).await;
        assert_eq!(told["code"], "not_found", "{}", stranger.name());
        assert_eq!(told, refused(stranger, absent.as_str()).await);
    }

    // What changes on one node is so on all of them.
    gives(&ada, den, &cyd, "owner").await;
    bob.granted("room:uninvite", json!({ "room": den, "user": bob.id() })).await;
    let now = are(&[(&ada, "moderator"), (&cyd, "owner"), (&dan, "read_only")]);
    for member in [&ada, &cyd, &dan] {
        assert_eq!(roles(member, den).await, now, "{}", member.name());
    }
    assert_eq!(refused(&bob, den).await, refused(&eve, den).await, "it is none of theirs now");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn both_know_who_is_what_in_their_conversation(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let (ada, bob) = (here.welcome("ada").await, there.welcome("bob").await);
    let (eve, root) = (yonder.welcome("eve").await, admin_at(&here).await);
    let opened = ada.granted("direct:open", json!({ "user": bob.id() })).await;
    let direct = opened["room"].as_str().unwrap();

    for one in [&ada, &bob] {
        assert_eq!(roles(one, direct).await, are(&[(&ada, "member"), (&bob, "member")]));
    }
    for stranger in [&eve, &root] {
        assert_eq!(refused(stranger, direct).await["code"], "not_found");
    }
    bob.granted("room:uninvite", json!({ "room": direct, "user": bob.id() })).await;
    assert_eq!(roles(&ada, direct).await, are(&[(&ada, "member")]));
    assert_eq!(refused(&bob, direct).await["code"], "not_found");
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn of_a_public_room_only_who_keeps_order_knows_who_is_what(#[case] stage: Stage) {
    let [here, there, yonder] = start(stage).await;
    let (root, ada) = (admin_at(&here).await, there.welcome("ada").await);
    let (bob, eve) = (yonder.welcome("bob").await, there.welcome("eve").await);
    root.granted("room:create", json!({ "room": "hall", "visibility": "public" })).await;
    gives(&root, "hall", &ada, "moderator").await;
    gives(&root, "hall", &bob, "member").await;

    let all = are(&[(&root, "owner"), (&ada, "moderator"), (&bob, "member")]);
    for keeper in [&root, &ada] {
        assert_eq!(roles(keeper, "hall").await, all, "{}", keeper.name());
    }
    // Also where nobody is anything, and the rooms of others.
    assert_eq!(roles(&root, "lobby").await, json!([]));
    for guest in [&bob, &eve] {
        guest.join("hall").await;
        let list = guest.refused("moderation:list", json!({ "room": "hall" })).await;
        assert_eq!(list["code"], "forbidden");
        for room in ["hall", "lobby"] {
            assert_eq!(refused(guest, room).await, list, "{} of {room}", guest.name());
        }
    }
    assert_eq!(refused(&ada, "lobby").await["code"], "forbidden");
}

#[tokio::test]
async fn who_asks_without_end_is_told_to_wait() {
    let settings = Settings::default().with("limits.history_burst", 3);
    let node = Alone::forgetful(settings.with("limits.history_rate", 1)).await;
    let ada = node.welcome("ada").await;
    let made = ada.granted("room:create", json!({})).await;
    let ask = json!({ "room": made["room"] });

    let answers = [(); 10].map(|()| ada.begin("room:roles", ask.clone()));

    let mut codes = Vec::new();
    for answer in answers {
        let answer = ada.answer_before_the_end(answer).await.unwrap();
        codes.push(answer["error"]["code"].clone());
        assert!(answer["ok"] == true || answer["error"]["retry_after_ms"].is_u64(), "{answer}");
    }
    assert_eq!(codes[..3], [Value::Null, Value::Null, Value::Null], "{codes:?}");
    assert!(codes[3..].contains(&json!("rate_limited")), "{codes:?}");
}
