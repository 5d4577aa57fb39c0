//! The same on a cluster of three: a room's keys are one slot, rooms lie on different nodes, and
//! slots move.
use hubbub::{
    adapter::{Adapter, Topic},
    domain::room::RoomRole,
    store::{log::Log, members::Members},
};

use crate::{
    roles::{give, holders},
    server::Server,
    world::{Node, in_lobby, lobby, member, message, presence_config, room, store_config, until},
};

const LAST_SLOT: u32 = 16_383;

fn slot_of(server: &Server, channel: &str) -> u32 {
    server.cli(&["CLUSTER", "KEYSLOT", channel])[1..].parse().unwrap()
}

fn owner(slot: u32, servers: &[Server]) -> usize {
    let part = (LAST_SLOT + 1) / u32::try_from(servers.len()).unwrap();
    usize::try_from(slot / part).unwrap().min(servers.len() - 1)
}

fn id(server: &Server) -> String {
    server.cli(&["CLUSTER", "MYID"]).lines().nth(1).unwrap().to_owned()
}

async fn cluster() -> Vec<Server> {
    let servers: Vec<Server> = (0..3).map(|_| Server::start_for_cluster()).collect();
    let slots = |n: usize| (0..=LAST_SLOT).filter(|s| owner(*s, &servers) == n).collect::<Vec<_>>();
    for (n, server) in servers.iter().enumerate() {
        let (low, high) = (slots(n)[0].to_string(), slots(n).last().unwrap().to_string());
        assert_eq!(server.cli(&["CLUSTER", "ADDSLOTSRANGE", &low, &high]), "+OK");
        server.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
        let (port, bus) = (servers[0].port().to_string(), servers[0].bus().to_string());
        server.cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
    }
    until(|| async {
        servers.iter().all(|server| {
            let info = server.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    })
    .await;
    servers
}

async fn node_on(servers: &[Server]) -> Node {
    let mut config = store_config(&servers[0]);
    config.url = servers[0].url().replace("redis://", "redis-cluster://").into();
    Node::with(&config, &presence_config()).await
}

#[tokio::test]
async fn rooms_on_every_node_of_a_cluster_are_appended_to_and_heard() {
    let servers = cluster().await;
    let (mut a, b) = (node_on(&servers).await, node_on(&servers).await);
    let mut owners = std::collections::BTreeSet::new();
    for n in 0..20 {
        let room = room(&format!("room-{n}"));
        owners.insert(owner(slot_of(&servers[0], &format!("{{r:{room}}}")), &servers));
        let _heard = a.adapter.listen(Topic::Room(room.clone())).await.unwrap();
        let appended = b.store.append(&message(&room, "hello")).await.unwrap();
        assert_eq!(appended.heard_by, Some(1), "{room}");
        assert_eq!(a.hear_seq().await, 1);
        b.store.append(&message(&room, "again")).await.unwrap();
        assert_eq!(a.hear_seq().await, 2);
        for user in ["bob", "ada"] {
            give(&a, &room, user, Some(RoomRole::Member)).await;
        }
        assert_eq!(holders(&b, &room).await, ["ada", "bob"], "{room}");
    }
    assert_eq!(owners.len(), 3, "the rooms lie on all nodes");
    assert_eq!(a.store.rooms(None, 99).await.unwrap().len(), 20);

    a.store.enter(&in_lobby(), &member("c1", "ada")).await.unwrap();
    b.store.enter(&in_lobby(), &member("c2", "bob")).await.unwrap();
    a.store.retire().await.unwrap();
    assert_eq!(b.store.people(&in_lobby(), None, 9).await.unwrap().count, 1);
}

#[tokio::test]
async fn a_room_whose_slot_moves_is_heard_once_it_is_subscribed_to_again() {
    let servers = cluster().await;
    let mut node = node_on(&servers).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();
    let slot = slot_of(&servers[0], "{r:lobby}");
    let to = &servers[(owner(slot, &servers) + 1) % servers.len()];
    let (slot, to) = (slot.to_string(), id(to));
    for server in &servers {
        assert_eq!(server.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &to]), "+OK");
    }

    // Mostly deaf now, and nothing says so but this count; sometimes fred has noticed by itself.
    let first = node.store.append(&message(&lobby(), "to nobody")).await.unwrap();
    assert_eq!(first.position.seq, 1);
    node.adapter.relisten(&Topic::Room(lobby())).await.unwrap();
    let second = node.store.append(&message(&lobby(), "to us")).await.unwrap();
    assert_eq!(second.heard_by, Some(1));
    if first.heard_by == Some(1) {
        assert_eq!(node.hear_seq().await, 1);
    }
    assert_eq!(node.hear_seq().await, 2);
}
