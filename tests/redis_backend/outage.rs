//! Redis goes, comes, and runs full.
use futures_util::FutureExt;
use hubbub::{
    adapter::{Adapter, GapCause, Heard, Topic},
    error::{Error, Outcome},
    store::{
        log::{Log, Range},
        sessions::Sessions,
    },
};

use crate::{
    common::Stopwatch,
    server::Server,
    world::{Node, lobby, message, presence_config, store_config, until, within},
};

fn outcome<T>(result: &Result<T, Error>) -> Option<Outcome> {
    match result {
        Err(Error::Unavailable { outcome, .. }) => Some(*outcome),
        _ => None,
    }
}

#[tokio::test]
async fn a_killed_redis_comes_back_with_everything_and_is_heard_again() {
    let mut server = Server::start();
    let mut node = Node::on(&server).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();
    let first = node.store.append(&message(&lobby(), "before")).await.unwrap();
    assert_eq!(node.hear_seq().await, 1);

    server.crash();
    until(|| async { !node.link.is_up() }).await;
    let during = message(&lobby(), "during");
    let refused = node.store.append(&during).now_or_never().expect("it is refused at once");
    assert_eq!(outcome(&refused), Some(Outcome::None));

    server.run();
    within(node.link.ready()).await;
    let second = node.store.append(&message(&lobby(), "after")).await.unwrap();
    assert_eq!((second.position.epoch, second.position.seq), (first.position.epoch, 2));
    loop {
        // What was told before the subscription was back is a gap, repaired from the log.
        if let Heard::Gap { rooms: None, cause: GapCause::Reconnected } = node.hear().await {
            break;
        }
    }
    let third = node.store.append(&message(&lobby(), "heard again")).await.unwrap();
    assert_eq!(third.heard_by, Some(1));
    while node.hear_seq().await != 3 {}
    let page = node.store.page(&lobby(), Range::Newest, 9).await.unwrap();
    assert_eq!(page.entries.len(), 3);
}

#[tokio::test]
async fn a_redis_that_is_absent_at_start_is_waited_for() {
    let mut server = Server::absent();
    let mut node = Node::begin(&store_config(&server), &presence_config());
    assert!(!node.link.is_up());
    assert_eq!(outcome(&node.store.guest_key("k").await), Some(Outcome::None));
    let too_early = node.adapter.listen(Topic::Room(lobby())).await;
    assert_eq!(outcome(&too_early), Some(Outcome::None));

    server.run();
    within(node.link.ready()).await;
    // It was wanted, so it is subscribed to without being asked for again.
    until(|| async { server.cli(&["PUBSUB", "SHARDCHANNELS"]).contains("{r:lobby}") }).await;
    node.store.append(&message(&lobby(), "hello")).await.unwrap();
    assert_eq!(node.hear_seq().await, 1);
}

#[tokio::test]
async fn a_full_redis_refuses_and_nothing_is_half_written() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let first = message(&lobby(), "first");
    node.store.append(&first).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);

    let second = message(&lobby(), "second");
    assert_eq!(outcome(&node.store.append(&second).await), Some(Outcome::None));
    assert!(node.store.append(&first).await.unwrap().dup, "a repeat is still recognised");
    assert_eq!(server.cli(&["DBSIZE"]), ":4", "meta, log, one key of idempotency, the index");

    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    let done = node.store.append(&second).await.unwrap();
    assert_eq!((done.position.seq, done.dup), (2, false));
}

#[tokio::test]
async fn a_redis_that_hangs_leaves_it_unknown_within_the_deadline() {
    let server = Server::start();
    let mut config = store_config(&server);
    config.command_timeout = std::time::Duration::from_millis(300);
    let node = Node::with(&config, &presence_config()).await;
    node.store.append(&message(&lobby(), "warm")).await.unwrap();
    server.hang();

    let lost = message(&lobby(), "lost answer");
    let watch = Stopwatch::start();
    assert_eq!(outcome(&node.store.append(&lost).await), Some(Outcome::Unknown));
    assert!(watch.elapsed().as_secs() < 2, "not when the connection is given up");
    server.resume();
    until(|| async { node.store.append(&lost).await.is_ok() }).await;
    // On a busy machine any command may take longer than it may take here.
    let kept = within(async {
        loop {
            if let Ok(page) = node.store.page(&lobby(), Range::Newest, 9).await {
                return page.entries.len();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(kept, 2, "however often it was tried");
}

#[tokio::test]
async fn a_redis_that_hangs_is_found_out_asked_or_not_and_comes_back() {
    let server = Server::start();
    let node = Node::on(&server).await;
    for asked in [false, true] {
        server.hang();
        if asked {
            let silent = node.store.append(&message(&lobby(), "into the void")).await;
            assert_eq!(outcome(&silent), Some(Outcome::Unknown));
        }
        until(|| async { !node.link.is_up() }).await;
        let refused = node.store.append(&message(&lobby(), "refused")).await;
        assert_eq!(outcome(&refused), Some(Outcome::None), "at once, and surely not done");

        server.resume();
        within(node.link.ready()).await;
        until(|| async { node.store.append(&message(&lobby(), "back")).await.is_ok() }).await;
    }
}
