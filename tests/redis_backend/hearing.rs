//! What is told and heard between nodes.
use std::{sync::Arc, time::Duration};

use hubbub::{
    adapter::{Adapter, Audience, GapCause, Heard, Told, Topic, redis::RedisAdapter},
    domain::view::View,
    store::log::Log,
};

use crate::{
    common::acl,
    server::Server,
    world::{Node, lobby, message, room, until},
};

fn told(to: Audience, event: &str) -> Told {
    Told::new(to, View::NATIVE, event, &1).unwrap()
}

fn subscribers(server: &Server, channel: &str) -> u64 {
    let reply = server.cli(&["PUBSUB", "SHARDNUMSUB", channel]);
    reply.rsplit(':').next().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_list_is_heard_whole_by_those_it_concerns() {
    let server = Server::start();
    let (mut a, mut b) = (Node::on(&server).await, Node::on(&server).await);
    let _a = a.adapter.listen(Topic::Global).await.unwrap();
    let _b = b.adapter.listen(Topic::Global).await.unwrap();
    let _in_b = b.adapter.listen(Topic::Room(lobby())).await.unwrap();

    a.adapter.tell(vec![told(Audience::Room(lobby()), "typing")]).await.unwrap();
    let list = ["one", "two", "three"].map(|event| told(Audience::Everyone, event)).to_vec();
    a.adapter.tell(list).await.unwrap();

    let events = |heard: Heard| -> Vec<String> {
        let Heard::Told(list) = heard else { panic!("{heard:?}") };
        list.into_iter().map(|told| told.event).collect()
    };
    assert_eq!(events(b.hear().await), ["typing"]);
    assert_eq!(events(b.hear().await), ["one", "two", "three"]);
    assert_eq!(events(a.hear().await), ["one", "two", "three"], "and not the room's");
}

#[tokio::test]
async fn a_topic_lingers_and_closes_only_when_nobody_is_left() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let linger = Duration::from_millis(200);
    let (adapter, _hearing) =
        RedisAdapter::open_lingering(Arc::clone(&node.link), &node.lifecycle, linger);
    let listen = || adapter.listen(Topic::Room(lobby()));
    let first = listen().await.unwrap();
    let second = listen().await.unwrap();
    assert_eq!(subscribers(&server, "{r:lobby}"), 1);

    drop(first);
    let elsewhere = adapter.listen(Topic::Room(room("elsewhere"))).await.unwrap();
    drop(elsewhere);
    assert_eq!(subscribers(&server, "{r:elsewhere}"), 1, "it lingers");
    until(|| async { subscribers(&server, "{r:elsewhere}") == 0 }).await;
    assert_eq!(subscribers(&server, "{r:lobby}"), 1, "the second listener is still here");

    drop(second);
    until(|| async { subscribers(&server, "{r:lobby}") == 0 }).await;
    let _third = listen().await.unwrap();
    assert_eq!(subscribers(&server, "{r:lobby}"), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_gap_in_that_room() {
    let server = Server::start();
    let mut node = Node::on(&server).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();
    server.cli(&["SPUBLISH", "{r:lobby}", "e9 from the future"]);
    match node.hear().await {
        Heard::Gap { rooms: Some(rooms), cause: GapCause::Unreadable } => {
            assert_eq!(rooms, [lobby()]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_does_not_listen_fast_enough_is_told_of_a_gap() {
    let server = Server::start();
    let mut node = Node::on(&server).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();
    // More than the hearing and the feed hold together.
    let script = "for i = 1, 20000 do redis.call('SPUBLISH', KEYS[1], 't1 []') end";
    server.cli(&["EVAL", script, "1", "{r:lobby}"]);
    // Nobody listens before Redis has sent them all.
    until(|| async { server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).contains(" obl=0 oll=0 ") })
        .await;
    loop {
        if let Heard::Gap { rooms: None, cause: GapCause::Lagged } = node.hear().await {
            break;
        }
    }
}

#[tokio::test]
async fn a_topic_that_could_not_be_opened_is_tried_again_by_itself() {
    let server = Server::start();
    let (user, _) = acl::NODE.split_once(':').unwrap();
    server.cli(&["ACL", "SETUSER", user, "-ssubscribe"]);
    let mut node = Node::on(&server).await;
    assert!(node.adapter.listen(Topic::Room(lobby())).await.is_err());
    server.cli(&["ACL", "SETUSER", user, "+ssubscribe"]);
    until(|| async { subscribers(&server, "{r:lobby}") == 1 }).await;
    let back = node.hear().await;
    assert!(matches!(back, Heard::Gap { rooms: None, cause: GapCause::Reconnected }), "{back:?}");
}

#[tokio::test]
async fn a_subscription_cut_by_the_server_is_made_again() {
    let server = Server::start();
    let mut node = Node::on(&server).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    loop {
        if let Heard::Gap { rooms: None, cause: GapCause::Reconnected } = node.hear().await {
            break;
        }
    }
    node.store.append(&message(&lobby(), "hello")).await.unwrap();
    assert_eq!(node.hear_seq().await, 1);
    node.adapter.relisten(&Topic::Room(lobby())).await.unwrap();
    assert_eq!(node.store.append(&message(&lobby(), "once")).await.unwrap().heard_by, Some(1));
    assert_eq!(node.hear_seq().await, 2);
}
