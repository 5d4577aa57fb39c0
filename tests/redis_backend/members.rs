//! Who is where, and what becomes of the dead.
use std::time::Duration;

use hubbub::{
    adapter::{Adapter, Heard, Topic},
    config::presence::Presence,
    domain::{
        presence::{Diff, Member},
        room::Place,
    },
    store::members::{Lease, Members},
};

use crate::{
    server::Server,
    world::{Node, in_lobby, lobby, member, presence_config, store_config, until},
};

fn joined(diff: &Diff) -> Vec<&str> {
    diff.joined.iter().map(|person| person.id.as_str()).collect()
}

fn left(diff: &Diff) -> Vec<&str> {
    diff.left.iter().map(|person| person.id.as_str()).collect()
}

fn classic(connection: &str, name: &str) -> Member {
    Member { name: Some(name.to_owned()), classic: true, ..member(connection, connection) }
}

fn with_grace(grace: Duration) -> Presence {
    Presence { grace, ..presence_config() }
}

async fn names(node: &Node) -> Vec<String> {
    let people = node.store.people(&in_lobby(), None, 99).await.unwrap();
    assert_eq!(people.count, people.people.len() as u64);
    people.people.into_iter().map(|person| person.id.to_string()).collect()
}

#[tokio::test]
async fn a_user_is_there_from_its_first_connection_to_its_last() {
    let server = Server::start();
    let (a, mut b) = (Node::on(&server).await, Node::on(&server).await);
    let _in_b = b.adapter.listen(Topic::Room(lobby())).await.unwrap();
    let place = in_lobby();
    let (one, two) = (member("c1", "ada"), member("c2", "ada"));

    let diff = a.store.enter(&place, &one).await.unwrap();
    assert_eq!((joined(&diff), diff.count), (vec!["ada"], 1));
    assert_eq!(a.store.enter(&place, &one).await.unwrap(), Diff { count: 1, ..Diff::default() });
    assert!(joined(&b.store.enter(&place, &two).await.unwrap()).is_empty());
    let ada = "ada".parse().unwrap();
    assert_eq!(a.store.connections(&place, &ada).await.unwrap().len(), 2);
    let renamed = Member { name: Some("Lovelace".to_owned()), ..one.clone() };
    let diff = a.store.enter(&place, &renamed).await.unwrap();
    assert_eq!(diff.changed[0].name.as_deref(), Some("Lovelace"));

    assert!(left(&a.store.leave(&place, &one, false).await.unwrap()).is_empty());
    let diff = b.store.leave(&place, &two, false).await.unwrap();
    assert_eq!((left(&diff), diff.count), (vec!["ada"], 0));
    assert!(left(&b.store.leave(&place, &two, false).await.unwrap()).is_empty());
    for expected in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        let Heard::Presence(room, diff) = b.hear().await else { panic!("a difference") };
        assert_eq!(room, lobby());
        assert_eq!((diff.joined.len(), diff.changed.len(), diff.left.len()), expected);
    }
    assert_eq!(server.cli(&["KEYS", "{r:*"]), "*0", "a place leaves nothing behind");
    assert_eq!(server.cli(&["KEYS", "{n:*"]), "*0", "no node has business here");
}

#[tokio::test]
async fn grace_hides_who_comes_back_and_ends_for_who_does_not() {
    let server = Server::start();
    let node = Node::with(&store_config(&server), &with_grace(Duration::from_millis(100))).await;
    let (place, ada, bob) = (in_lobby(), member("c1", "ada"), member("c2", "bob"));
    for who in [&ada, &bob] {
        node.store.enter(&place, who).await.unwrap();
        let diff = node.store.leave(&place, who, true).await.unwrap();
        assert!(left(&diff).is_empty());
    }
    let users = ["ada", "zed", "bob"].map(|id| id.parse().unwrap());
    assert_eq!(node.store.present(&place, &users).await.unwrap(), [true, false, true]);

    let back = node.store.enter(&place, &member("c3", "ada")).await.unwrap();
    assert!(joined(&back).is_empty());
    let leaving = server.cli(&["ZRANGE", "{r:lobby}:leaving", "0", "-1"]);
    assert_eq!(leaving, "*1\r\n$3\r\nbob", "who came back begins a grace of its own next time");
    until(|| async { left(&node.store.sweep(&place).await.unwrap()) == ["bob"] }).await;
    assert_eq!(names(&node).await, ["ada"]);
}

/// What a reaper would find of this node: the places it has to clear.
fn listed(server: &Server, node: &Node) -> bool {
    server.cli(&["SISMEMBER", &format!("{{n:{}}}:rooms", node.id), &in_lobby().key()]) == ":1"
}

#[tokio::test]
async fn a_place_is_on_the_list_of_its_node_for_as_long_as_somebody_is_in_it() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let (place, ada, bob) = (in_lobby(), member("c1", "ada"), member("c2", "bob"));

    for _ in 0..2 {
        node.store.enter(&place, &ada).await.unwrap();
        assert!(listed(&server, &node));
        node.store.leave(&place, &ada, false).await.unwrap();
        assert!(!listed(&server, &node));
    }

    let lose = || server.cli(&["DEL", &format!("{{n:{}}}:rooms", node.id)]);
    node.store.enter(&place, &ada).await.unwrap();
    lose();
    node.store.assert(&place, std::slice::from_ref(&ada)).await.unwrap();
    assert!(listed(&server, &node), "a comparison lists it again");

    lose();
    server.cli(&["ZREM", "{n}:leases", node.id.as_str()]);
    assert_eq!(node.store.renew().await.unwrap(), Lease::Fenced);
    node.store.enter(&place, &bob).await.unwrap();
    assert!(listed(&server, &node), "without its lease the list was not its own any more");

    lose();
    let before = node.link.connection();
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    until(|| async { node.link.connection() > before }).await;
    node.store.enter(&place, &bob).await.unwrap();
    assert!(listed(&server, &node), "on a new connection Redis may be another one");
}

/// How often Redis has run a script.
fn scripts_run(server: &Server) -> u64 {
    let stats = server.cli(&["INFO", "commandstats"]);
    let of_scripts = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    of_scripts.and_then(|rest| rest.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn who_enters_where_others_are_asks_redis_once() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let place = in_lobby();
    node.store.enter(&place, &member("first", "first")).await.unwrap();
    let before = scripts_run(&server);

    for n in 0..10 {
        let name = format!("u{n}");
        node.store.enter(&place, &member(&name, &name)).await.unwrap();
    }

    assert_eq!(scripts_run(&server) - before, 10);
}

#[tokio::test]
async fn people_are_paged_by_id_and_counted() {
    let server = Server::start();
    let node = Node::on(&server).await;
    for user in ["d", "b", "a", "c", "e"] {
        node.store.enter(&in_lobby(), &member(user, user)).await.unwrap();
    }
    let page = node.store.people(&in_lobby(), None, 2).await.unwrap();
    assert_eq!((page.people[1].id.as_str(), page.count), ("b", 5));
    let page = node.store.people(&in_lobby(), page.cursor.as_deref(), 3).await.unwrap();
    assert_eq!((page.people[2].id.as_str(), page.cursor), ("e", None));
}

#[tokio::test]
async fn classic_names_stand_in_the_order_they_came() {
    let server = Server::start();
    let (a, b) = (Node::on(&server).await, Node::on(&server).await);
    let place = in_lobby();
    assert!(a.store.enter(&place, &classic("z", "Zoe / \"1\"")).await.unwrap().classic);
    assert!(b.store.enter(&place, &classic("m", "Max")).await.unwrap().classic);
    assert!(!a.store.enter(&place, &member("n", "native")).await.unwrap().classic);
    let unnamed = Member { name: None, ..classic("u", "") };
    assert!(!a.store.enter(&place, &unnamed).await.unwrap().classic);
    assert_eq!(names_of(&a.store.classic(&place, 9).await.unwrap()), ["Zoe / \"1\"", "Max"]);

    assert!(a.store.enter(&place, &classic("z", "Zed")).await.unwrap().classic);
    assert_eq!(names_of(&a.store.classic(&place, 9).await.unwrap()), ["Zed", "Max"], "same place");
    assert_eq!(names_of(&a.store.classic(&place, 1).await.unwrap()), ["Zed"]);
    assert!(a.store.leave(&place, &classic("z", "Zed"), true).await.unwrap().classic);
    assert_eq!(names_of(&a.store.classic(&place, 9).await.unwrap()), ["Max"]);
}

#[tokio::test]
async fn what_a_dead_node_left_is_taken_out_by_another() {
    let server = Server::start();
    let dead = Node::with(&store_config(&server), &with_grace(Duration::from_mins(10))).await;
    let mut alive = Node::on(&server).await;
    let place = in_lobby();
    let online = Place::online(&"ada".parse().unwrap());
    assert_eq!(dead.store.renew().await.unwrap(), Lease::Held);
    assert_eq!(alive.store.renew().await.unwrap(), Lease::Held);
    dead.store.enter(&place, &member("c1", "ada")).await.unwrap();
    dead.store.enter(&online, &member("c1", "ada")).await.unwrap();
    dead.store.enter(&place, &member("c2", "bob")).await.unwrap();
    dead.store.leave(&place, &member("c2", "bob"), true).await.unwrap();
    alive.store.enter(&place, &member("c3", "carol")).await.unwrap();
    dead.store.enter(&place, &member("c4", "carol")).await.unwrap();
    assert_eq!(alive.store.reap().await.unwrap(), None, "nobody is dead yet");
    let _in_lobby = alive.adapter.listen(Topic::Room(lobby())).await.unwrap();

    // Its lease has run out.
    let long_ago = ["ZADD", "{n}:leases", "XX", "CH", "1", dead.id.as_str()];
    assert_eq!(server.cli(&long_ago), ":1");
    assert_eq!(alive.store.reap().await.unwrap(), Some(dead.id.clone()));
    let Heard::Presence(_, diff) = alive.hear().await else { panic!("a difference") };
    assert_eq!((left(&diff), diff.count), (vec!["ada"], 2), "at once; bob's grace goes on");
    assert_eq!(alive.store.people(&online, None, 9).await.unwrap().count, 0);
    assert_eq!(alive.store.reap().await.unwrap(), None);
    assert_eq!(server.cli(&["KEYS", &format!("*{}*", dead.id)]), "*0");

    // It was only slow: it learns that it was given up, and enters everything again.
    assert_eq!(dead.store.renew().await.unwrap(), Lease::Fenced);
    let diff = dead.store.assert(&place, &[member("c1", "ada")]).await.unwrap();
    assert_eq!(joined(&diff), ["ada"]);
    assert_eq!(names(&alive).await, ["ada", "bob", "carol"]);
}

#[tokio::test]
async fn the_last_node_takes_its_graces_with_it() {
    let server = Server::start();
    let (leaving, asking) = (Node::on(&server).await, Node::on(&server).await);
    leaving.store.enter(&in_lobby(), &member("c1", "ada")).await.unwrap();
    leaving.store.leave(&in_lobby(), &member("c1", "ada"), true).await.unwrap();
    leaving.store.enter(&in_lobby(), &member("c2", "bob")).await.unwrap();

    leaving.store.retire().await.unwrap();
    assert!(names(&asking).await.is_empty());
    assert_eq!(server.cli(&["KEYS", &format!("*{}*", leaving.id)]), "*0");
    assert_eq!(server.cli(&["EXISTS", "{n}:leases"]), ":0");
}

#[tokio::test]
async fn assert_makes_it_so_and_heals_a_lost_store() {
    let server = Server::start();
    let node = Node::on(&server).await;
    let place = in_lobby();
    node.store.enter(&place, &member("c1", "ada")).await.unwrap();
    node.store.enter(&place, &member("c2", "bob")).await.unwrap();
    let have = [member("c2", "bob"), member("c3", "carol")];

    let diff = node.store.assert(&place, &have).await.unwrap();
    assert_eq!((joined(&diff), left(&diff), diff.count), (vec!["carol"], vec!["ada"], 2));
    let again = node.store.assert(&place, &have).await.unwrap();
    assert_eq!(again, Diff { count: 2, ..Diff::default() });

    server.cli(&["FLUSHALL"]);
    assert_eq!(node.store.renew().await.unwrap(), Lease::Fenced);
    node.store.assert(&place, &have).await.unwrap();
    assert_eq!(names(&node).await, ["bob", "carol"]);
    let diff = node.store.assert(&place, &[]).await.unwrap();
    assert_eq!(left(&diff).len(), 2);
    assert_eq!(server.cli(&["KEYS", "{n:*"]), "*0");
}

fn names_of(users: &[(hubbub::domain::id::ConnectionId, String)]) -> Vec<&str> {
    users.iter().map(|(_, name)| name.as_str()).collect()
}
