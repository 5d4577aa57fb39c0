//! What a node may do at Redis is what it does, and no more.
use hubbub::{
    adapter::{Adapter, Topic},
    domain::room::RoomRole,
    store::{log::Log, members::Members, sessions::Sessions},
};

use crate::{
    common::acl,
    roles::{give, holders},
    server::Server,
    world::{Node, in_lobby, lobby, member, message, presence_config, store_config},
};

#[tokio::test]
async fn a_node_does_nothing_that_its_user_may_not() {
    let server = Server::start();
    let mut node = Node::on(&server).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();

    node.store.append(&message(&lobby(), "hello")).await.unwrap();
    assert_eq!(node.hear_seq().await, 1);
    node.store.enter(&in_lobby(), &member("c1", "ada")).await.unwrap();
    give(&node, &lobby(), "ada", Some(RoomRole::Member)).await;
    // As if a release before had given it: all is written anew.
    server.cli(&["DEL", "{r:lobby}:holders"]);
    assert_eq!(holders(&node, &lobby()).await, ["ada"]);
    node.store.retire().await.unwrap();
    assert_eq!(node.store.guest_key("first").await.unwrap(), "first");

    // What was refused and got over in silence would stand here.
    assert_eq!(server.cli(&["ACL", "LOG"]), "*0");
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let server = Server::start();
    let node = Node::on(&server).await;
    node.store.append(&message(&lobby(), "hello")).await.unwrap();

    server.cli(&["SCRIPT", "FLUSH"]);

    let again = node.store.append(&message(&lobby(), "again")).await.unwrap();
    assert_eq!(again.position.seq, 2);
}

#[test]
fn a_node_s_user_may_do_nothing_else() {
    let server = Server::start();
    server.cli(&["SET", "secret", "of somebody else"]);
    let refused: [&[&str]; 23] = [
        &["EVAL", "return 1", "0"],
        &["EVAL_RO", "return 1", "0"],
        &["FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('x', function() end)"],
        &["FCALL", "x", "0"],
        &["SCRIPT", "FLUSH"],
        &["CONFIG", "SET", "dir", "/tmp"],
        &["CONFIG", "REWRITE"],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["MODULE", "LIST"],
        &["ACL", "WHOAMI"],
        &["CLIENT", "LIST"],
        &["MONITOR"],
        &["REPLICAOF", "NO", "ONE"],
        &["SHUTDOWN", "NOSAVE"],
        &["PUBLISH", "{r:lobby}", "x"],
        &["HGET", "secret", "x"],
        &["GET", "secret"],
        &["SET", "{x:lobby}:meta", "x"],
        &["SPUBLISH", "elsewhere", "x"],
        &["SSUBSCRIBE", "elsewhere"],
    ];
    for command in refused {
        let reply = server.as_node(command);
        assert!(reply.starts_with("-NOPERM"), "{command:?}: {reply}");
    }

    // A script may touch no more than its user.
    let steal = "return redis.call('GET', KEYS[1])";
    let hash = server.as_node(&["SCRIPT", "LOAD", steal]);
    let reply = server.as_node(&["EVALSHA", hash.lines().last().unwrap(), "1", "secret"]);
    assert!(reply.starts_with("-NOPERM"), "{reply}");
    let wipe = server.as_node(&["SCRIPT", "LOAD", "return redis.call('FLUSHALL')"]);
    let reply = server.as_node(&["EVALSHA", wipe.lines().last().unwrap(), "0"]);
    assert!(reply.contains("can't run this command"), "{reply}");
    assert_eq!(server.cli(&["DBSIZE"]), ":1");
}

#[tokio::test]
async fn who_comes_to_the_redis_we_ship_may_do_what_a_node_does() {
    let server = Server::start_as_shipped();
    let mut config = store_config(&server);
    config.url = format!("redis://127.0.0.1:{}", server.port()).into();

    let node = Node::with(&config, &presence_config()).await;
    node.store.append(&message(&lobby(), "hello")).await.unwrap();

    for command in [&["FLUSHALL"][..], &["CONFIG", "SET", "dir", "/"], &["EVAL", "return 1", "0"]] {
        let reply = server.cli(command);
        assert!(reply.starts_with("-NOPERM"), "{command:?}: {reply}");
    }
    assert_eq!(server.as_admin(&["CONFIG", "SET", "slowlog-max-len", "64"]), "OK");
}

/// Also those of a script that no test here happens to run.
#[test]
fn every_command_of_ours_stands_in_the_rights() {
    let rights = acl::arguments();
    let mut missing = Vec::new();
    for folder in ["src/store/redis", "src/store/redis/scripts", "src/adapter/redis", "src/redis"] {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            for called in ["call('", "command(\"", "command(\n            \""] {
                let names = text.split(called).skip(1).map(|rest| rest.split(['\'', '"']).next());
                let names = names.flatten().filter(|name| name.chars().all(char::is_uppercase));
                let is_missing =
                    |name: &&str| !rights.contains(&format!("+{}", name.to_lowercase()));
                missing.extend(names.filter(is_missing).map(|name| format!("{file:?}: {name}")));
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}
