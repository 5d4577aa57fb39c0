//! What one is in a room: whoever is there hears at once that it is another, on whichever node.
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Stage, User};

/// A private room of the first one's, in which all of them are, as members.
async fn den(owner: &User, members: &[&User]) -> String {
    let made = owner.granted("room:create", json!({})).await;
    let room = made["room"].as_str().unwrap().to_owned();
    owner.join(&room).await;
    for member in members {
        owner.granted("room:invite", json!({ "room": room, "user": member.id() })).await;
        member.join(&room).await;
    }
    room
}

/// What they are told next that they are there.
async fn hears(user: &User, room: &str) -> (Value, Value, Value) {
    let told = user.next("room:me").await;
    assert_eq!(told["room"], room);
    (told["role"].clone(), told["announce"].clone(), told["muted_until"].clone())
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_silenced_hears_until_when_and_that_it_is_over(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start().await;
    let (ada, bob, cyd) =
        (here.welcome("ada").await, there.welcome("bob").await, yonder.welcome("cyd").await);
    let room = den(&ada, &[&bob, &cyd]).await;
    let at = hubbub::clock::now_ms() + 3_600_000;
    let order = json!({ "room": room, "user": bob.id() });

    ada.granted("moderation:mute", json!({ "room": room, "user": bob.id(), "until": at })).await;
    assert_eq!(hears(&bob, &room).await, (json!("member"), json!(false), json!(at)));
    ada.granted("moderation:unmute", order.clone()).await;
    assert_eq!(hears(&bob, &room).await.2, 0);
    ada.granted("moderation:mute", order).await;
    assert_eq!(hears(&bob, &room).await.2, 9_007_199_254_740_991_u64);

    ada.granted("moderation:mute", json!({ "room": room, "name": "cyd" })).await;
    hears(&cyd, &room).await;
    for other in [&ada, &cyd] {
        assert_eq!(other.so_far("room:me"), [] as [Value; 0], "it is nobody else's matter");
    }
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_speaks_in_a_room_and_who_keeps_it_is_heard_by_those_it_changes(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start().await;
    let (ada, bob, cyd) =
        (here.welcome("ada").await, there.welcome("bob").await, yonder.welcome("cyd").await);
    let room = den(&ada, &[&bob, &cyd]).await;
    let gives = |user: &User, role: &str| json!({ "room": room, "user": user.id(), "role": role });

    ada.granted("room:update", json!({ "room": room, "announce": true })).await;
    for (user, role) in [(&ada, "owner"), (&bob, "member"), (&cyd, "member")] {
        assert_eq!(hears(user, &room).await, (json!(role), json!(true), Value::Null));
    }
    ada.granted("room:update", json!({ "room": room, "announce": true })).await;
    ada.granted("room:invite", gives(&bob, "moderator")).await;
    assert_eq!(hears(&bob, &room).await.0, "moderator");
    ada.granted("room:invite", gives(&bob, "owner")).await;
    assert_eq!(hears(&bob, &room).await.0, "owner");
    assert_eq!(hears(&ada, &room).await.0, "moderator", "who hands a room on keeps order in it");
    bob.granted("room:update", json!({ "room": room, "announce": false })).await;
    for user in [&ada, &bob, &cyd] {
        assert_eq!(hears(user, &room).await.1, false, "and nothing that was so already");
    }
}
