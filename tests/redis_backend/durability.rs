//! What an acknowledged message survives: found, demanded, and waited for.
use hubbub::{
    config::store::Demand,
    domain::{durability::Durability, message::Message},
    error::{Error, Outcome, Result},
    lifecycle::Ending,
    store::log::{Appended, Log, Range},
};
use rstest::rstest;

use crate::{
    server::Server,
    world::{Node, lobby, message, presence_config, store_config, until, within},
};

#[rstest]
#[case("no", "everysec", Durability::None)]
#[case("yes", "everysec", Durability::Process)]
#[case("yes", "always", Durability::Disk)]
#[tokio::test]
async fn the_level_is_found_out(
    #[case] append: &str,
    #[case] fsync: &str,
    #[case] level: Durability,
) {
    let server = Server::start();
    server.cli(&["CONFIG", "SET", "appendonly", append, "appendfsync", fsync]);

    let node = Node::on(&server).await;

    assert_eq!(node.store.durability(), level);
}

#[tokio::test]
async fn a_level_that_is_not_given_ends_the_node() {
    let server = Server::start();
    let mut config = store_config(&server);
    config.durability = Demand::Disk;

    let node = Node::begin(&config, &presence_config());

    until(async || node.lifecycle.ending() == Some(Ending::Failed)).await;
}

#[tokio::test]
async fn nothing_is_acknowledged_that_no_replica_has() {
    let (primary, replica) = (Server::start(), Server::start());
    follow(&replica, &primary).await;
    let mut config = store_config(&primary);
    config.durability = Demand::Replica;
    let node = Node::with(&config, &presence_config()).await;
    assert_eq!(node.store.durability(), Durability::Replica);
    node.store.append(&message(&lobby(), "on both")).await.unwrap();
    let has = |server: &Server| server.cli(&["XLEN", "{r:lobby}:log"]);
    assert_eq!(has(&replica), ":1");

    replica.hang();
    let alone = message(&lobby(), "on one");
    assert!(is_unknown(&node.store.append(&alone).await));
    // A new connection has written nothing, so it could wait for nothing.
    primary.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    for _ in 0..3 {
        let repeat = until_tried(&node, &alone).await;
        assert!(is_unknown(&repeat), "a repeat waits like the first: {repeat:?}");
    }

    replica.resume();
    until(async || node.store.append(&alone).await.is_ok_and(|appended| appended.dup)).await;
    assert_eq!(has(&replica), ":2");
    assert_eq!(node.store.page(&lobby(), Range::Newest, 9).await.unwrap().entries.len(), 2);
}

#[tokio::test]
async fn many_at_once_wait_together_and_each_gets_its_own_answer() {
    let (primary, replica) = (Server::start(), Server::start());
    follow(&replica, &primary).await;
    let mut config = store_config(&primary);
    config.durability = Demand::Replica;
    let node = Node::with(&config, &presence_config()).await;
    let messages: Vec<_> = (0..500).map(|n| message(&lobby(), &n.to_string())).collect();

    let appended =
        futures_util::future::join_all(messages.iter().map(|m| node.store.append(m))).await;

    let log = node.store.page(&lobby(), Range::Newest, 200).await.unwrap().entries;
    for entry in log {
        let n: usize = entry.text.as_str().parse().unwrap();
        assert_eq!(appended[n].as_ref().unwrap().position, entry.position);
    }
    let waits = primary.cli(&["INFO", "commandstats"]);
    let calls = waits.split("cmdstat_wait:calls=").nth(1).unwrap().split(',').next().unwrap();
    assert!(calls.parse::<u32>().unwrap() < 100, "{calls} waits for 500 appends");
}

/// Makes one follow the other, which from then on writes nothing alone.
async fn follow(replica: &Server, primary: &Server) {
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    until(async || replica.cli(&["INFO", "replication"]).contains("master_link_status:up")).await;
    primary.cli(&["CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "10"]);
    until(async || !primary.cli(&["SET", "probe", "1"]).contains("NOREPLICAS")).await;
}

/// The first answer of a link that is up.
async fn until_tried(node: &Node, message: &Message) -> Result<Appended> {
    loop {
        within(node.link.ready()).await;
        let answer = node.store.append(message).await;
        if !matches!(answer, Err(Error::Unavailable { outcome: Outcome::None, .. })) {
            return answer;
        }
    }
}

fn is_unknown<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unavailable { outcome: Outcome::Unknown, .. }))
}
