//! Appending and reading.
use std::time::Duration;

use hubbub::{
    adapter::{Adapter, Topic},
    domain::{
        message::Message,
        position::{Cursor, ResetReason},
    },
    error::Error,
    store::log::{Log, Range},
};

use crate::{
    server::Server,
    world::{Node, lobby, message, presence_config, room, store_config, until},
};

async fn say(node: &Node, text: &str) -> Message {
    let message = message(&lobby(), text);
    node.store.append(&message).await.unwrap();
    message
}

async fn say_many(node: &Node, count: usize) {
    for i in 0..count {
        say(node, &format!("number {i}")).await;
    }
}

async fn cursor_at(node: &Node, seq: u64) -> Cursor {
    let head = node.store.heads(&[lobby()]).await.unwrap()[0].clone().unwrap();
    let mid = node.store.mid_at(&lobby(), seq).await.unwrap();
    Cursor { epoch: Some(head.epoch), seq: seq.try_into().unwrap(), mid }
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_text_is_refused() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let mut hello = message(&lobby(), "hello");

    let first = node.store.append(&hello).await.unwrap();
    assert!(!first.dup);
    assert_eq!(first.position.seq, 1);
    let again = node.store.append(&hello).await.unwrap();
    assert!(again.dup);
    assert_eq!((again.position, again.ts), (first.position, first.ts));
    assert_eq!(say(&node, "next").await.room, lobby());

    hello.text = "other".to_owned().try_into().unwrap();
    assert!(matches!(node.store.append(&hello).await, Err(Error::IdempotencyConflict)));
    assert_eq!(server.cli(&["XLEN", "{r:lobby}:log"]), ":2");
}

#[tokio::test]
async fn a_mid_older_than_the_idempotency_time_is_refused_before_anything_is_written() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let mut old = message(&lobby(), "from another age");
    old.mid = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();

    assert!(matches!(node.store.append(&old).await, Err(Error::Expired)));
    assert_eq!(server.cli(&["KEYS", "{r:*"]), "*0");
}

#[tokio::test]
async fn what_two_nodes_append_is_heard_by_both_in_the_order_of_its_numbers() {
    const EACH: usize = 200;
    let server = Server::start();
    let (mut a, mut b) = (Node::on(&server).await, Node::on(&server).await);
    let _in_a = a.adapter.listen(Topic::Room(lobby())).await.unwrap();
    let _in_b = b.adapter.listen(Topic::Room(lobby())).await.unwrap();

    let heard_by = a.store.append(&message(&lobby(), "first")).await.unwrap().heard_by;
    assert_eq!(heard_by, Some(2));
    futures_util::future::join(say_many(&a, EACH), say_many(&b, EACH)).await;

    for node in [&mut a, &mut b] {
        for seq in 1..=1 + 2 * EACH as u64 {
            assert_eq!(node.hear_seq().await, seq);
        }
    }
}

#[tokio::test]
async fn lost_meta_is_rebuilt_from_the_log() {
    let server = Server::start();
    let node = Node::on(&server).await;
    say(&node, "one").await;
    let two = say(&node, "two").await;
    let before = node.store.heads(&[lobby()]).await.unwrap();
    assert_eq!(server.cli(&["DEL", "{r:lobby}:meta"]), ":1");

    assert_eq!(node.store.heads(&[lobby()]).await.unwrap(), before);
    assert_eq!(before[0].as_ref().unwrap().mid.as_ref(), Some(&two.mid));
    let three = node.store.append(&message(&lobby(), "three")).await.unwrap();
    assert_eq!(three.position.seq, 3);
    assert_eq!(three.position.epoch, before[0].as_ref().unwrap().epoch);
}

#[tokio::test]
async fn a_log_of_the_wrong_type_is_refused_and_nothing_is_written() {
    let server = Server::start();
    let node = Node::on(&server).await;
    server.cli(&["SET", "{r:lobby}:log", "no stream"]);
    let hello = message(&lobby(), "hello");

    assert!(matches!(node.store.append(&hello).await, Err(Error::Internal(_))));
    assert_eq!(server.cli(&["DBSIZE"]), ":1");

    server.cli(&["DEL", "{r:lobby}:log"]);
    let healed = node.store.append(&hello).await.unwrap();
    assert_eq!((healed.position.seq, healed.dup), (1, false));
}

#[tokio::test]
async fn whoever_returns_gets_what_came_after_or_is_told_that_it_cannot() {
    let server = Server::start();
    let mut config = store_config(&server);
    config.retention_messages = 10;
    let node = Node::with(&config, &presence_config()).await;
    let nothing = Cursor { epoch: None, seq: 0.try_into().unwrap(), mid: None };
    let unwritten = node.store.since(&lobby(), &nothing, 5).await.unwrap();
    assert!(unwritten.page.head.is_none() && unwritten.reset.is_none());
    say_many(&node, 4).await;

    let early = cursor_at(&node, 1).await;
    let seqs = |page: &hubbub::store::log::Page| -> Vec<u64> {
        page.entries.iter().map(|entry| entry.position.seq).collect()
    };
    let resumed = node.store.since(&lobby(), &early, 2).await.unwrap();
    assert_eq!(seqs(&resumed.page), [2, 3]);
    assert!(resumed.page.more_after && resumed.page.more_before);
    let resumed = node.store.since(&lobby(), &cursor_at(&node, 4).await, 2).await.unwrap();
    assert!(resumed.page.entries.is_empty() && resumed.reset.is_none() && !resumed.truncated);

    let mut diverged = early.clone();
    diverged.mid = Some("0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap());
    let resumed = node.store.since(&lobby(), &diverged, 2).await.unwrap();
    assert_eq!(resumed.reset, Some(ResetReason::Diverged));
    assert_eq!(seqs(&resumed.page), [3, 4], "with the newest page");
    let ahead = Cursor { seq: 9.try_into().unwrap(), ..early.clone() };
    let resumed = node.store.since(&lobby(), &ahead, 2).await.unwrap();
    assert_eq!(resumed.reset, Some(ResetReason::RolledBack));

    say_many(&node, 16).await;
    let resumed = node.store.since(&lobby(), &early, 3).await.unwrap();
    assert!(resumed.truncated);
    assert_eq!((seqs(&resumed.page), resumed.page.first), (vec![18, 19, 20], 11));
    server.cli(&["FLUSHALL"]);
    say(&node, "a new life").await;
    let resumed = node.store.since(&lobby(), &early, 3).await.unwrap();
    assert_eq!(resumed.reset, Some(ResetReason::EpochChanged));
}

#[tokio::test]
async fn pages_of_every_range_know_what_lies_around_them() {
    let server = Server::start();
    let node = Node::on(&server).await;
    say_many(&node, 9).await;
    for (range, seqs, before, after) in [
        (Range::Newest, vec![7, 8, 9], true, false),
        (Range::Before(3), vec![1, 2], false, true),
        (Range::Before(1), vec![], false, true),
        (Range::Before(99), vec![7, 8, 9], true, false),
        (Range::After(0), vec![1, 2, 3], false, true),
        (Range::After(7), vec![8, 9], true, false),
        (Range::After(9), vec![], true, false),
        (Range::After(u64::MAX), vec![], true, false),
        (Range::Around(5), vec![4, 5, 6], true, true),
    ] {
        let page = node.store.page(&lobby(), range, 3).await.unwrap();
        let found: Vec<u64> = page.entries.iter().map(|entry| entry.position.seq).collect();
        assert_eq!((found, page.more_before, page.more_after), (seqs, before, after), "{range:?}");
    }
}

#[tokio::test]
async fn a_message_past_its_age_is_not_shown_and_goes() {
    let server = Server::start();
    let mut config = store_config(&server);
    // Long enough to write and read a few on a busy machine.
    config.retention_age = Duration::from_secs(4);
    let node = Node::with(&config, &presence_config()).await;
    say_many(&node, 3).await;
    let aged = cursor_at(&node, 2).await;
    // Else the whole key would go with the last of them, and reading had nothing to leave out.
    server.cli(&["PERSIST", "{r:lobby}:log"]);

    let empty =
        || async { node.store.page(&lobby(), Range::Newest, 9).await.unwrap().entries.is_empty() };
    until(empty).await;
    assert_eq!(server.cli(&["XLEN", "{r:lobby}:log"]), ":3");
    let page = node.store.page(&lobby(), Range::Newest, 9).await.unwrap();
    assert_eq!((page.first, page.more_before, page.more_after), (4, false, false));
    say(&node, "young").await;
    assert_eq!(server.cli(&["XLEN", "{r:lobby}:log"]), ":1", "the append trimmed");
    let resumed = node.store.since(&lobby(), &aged, 9).await.unwrap();
    assert!(resumed.truncated);
    assert_eq!(resumed.page.entries[0].position.seq, 4);
}

#[tokio::test]
async fn a_log_that_is_now_kept_for_ever_loses_the_end_it_had() {
    let server = Server::start();
    let mut config = store_config(&server);
    config.retention_age = Duration::from_mins(1);
    let node = Node::with(&config, &presence_config()).await;
    say(&node, "for a minute").await;
    assert_ne!(server.cli(&["TTL", "{r:lobby}:log"]), ":-1");
    let other = Node::on(&server).await;
    say(&other, "for ever").await;
    assert_eq!(server.cli(&["TTL", "{r:lobby}:log"]), ":-1");
}

#[tokio::test]
async fn rooms_are_listed_and_come_back_to_a_lost_index() {
    let server = Server::start();
    let node = Node::on(&server).await;
    for name in ["b", "a", "c"] {
        node.store.append(&message(&room(name), "hi")).await.unwrap();
    }
    assert_eq!(node.store.rooms(None, 2).await.unwrap(), [room("a"), room("b")]);
    assert_eq!(node.store.rooms(Some(&room("b")), 2).await.unwrap(), [room("c")]);

    server.cli(&["DEL", "{n}:index"]);
    let other = Node::on(&server).await;
    other.store.append(&message(&room("b"), "again")).await.unwrap();
    assert_eq!(node.store.rooms(None, 9).await.unwrap(), [room("b")]);
}
