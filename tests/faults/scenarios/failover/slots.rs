//! Moves a room's slot to another primary, key by key, as a resharding does.
use crate::{
    records::Name,
    stage::{RedisCluster, Server},
};

pub(super) async fn moves_room_of(redis: &RedisCluster, room: Name) {
    let from = redis.owner_of(room).await;
    let to = other_primary(redis, from).await;
    let slot = said(from, &format!("CLUSTER KEYSLOT {{r:{room}}}:meta")).await;
    let slot = slot.trim_start_matches(':').to_owned();
    let (old, new) = (id_of(from).await, id_of(to).await);
    said(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {old}")).await;
    said(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {new}")).await;
    let port = to.address().port();
    loop {
        let keys = said(from, &format!("CLUSTER GETKEYSINSLOT {slot} 50")).await;
        let keys: Vec<&str> = keys.lines().filter(|line| line.starts_with('{')).collect();
        if keys.is_empty() {
            break;
        }
        let keys = keys.join(" ");
        said(from, &format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS {keys}")).await;
    }
    // The new owner first, so that nobody is sent back to the old one.
    for server in [to, from] {
        said(server, &format!("CLUSTER SETSLOT {slot} NODE {new}")).await;
    }
    for server in &redis.servers {
        // Replicas hear of it from their primaries.
        server.run(&format!("CLUSTER SETSLOT {slot} NODE {new}")).await;
    }
}

async fn other_primary<'a>(redis: &'a RedisCluster, than: &Server) -> &'a Server {
    for server in &redis.servers {
        let is_primary = said(server, "ROLE").await.contains("master");
        if is_primary && server.address() != than.address() {
            return server;
        }
    }
    panic!("there is one primary only");
}

async fn id_of(server: &Server) -> String {
    let said = said(server, "CLUSTER MYID").await;
    said.lines().find(|line| line.len() == 40).expect("40 hexadecimal digits").to_owned()
}

/// The answer, but for that to `QUIT`.
async fn said(server: &Server, command: &str) -> String {
    let said = server.run(command).await;
    let said = said.unwrap_or_else(|| panic!("{} does not answer {command}", server.name));
    assert!(!said.starts_with('-'), "{command}: {said}");
    said.trim_end().trim_end_matches("+OK").trim_end().to_owned()
}
