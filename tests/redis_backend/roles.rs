//! Who is what in a room lies in the room's rules and, in order, beside them.
use hubbub::{
    clock,
    domain::{
        id::RoomId,
        moderation::{Act, Deed, Subject},
        presence::Person,
        room::RoomRole,
    },
    store::roles::{Change, Roles},
};

use crate::{
    server::Server,
    world::{Node, lobby},
};

/// Makes somebody a member of a room, or nobody.
pub(crate) async fn give(node: &Node, room: &RoomId, user: &str, role: Option<RoomRole>) {
    let by = Person { id: "mod".parse().unwrap(), name: None, classic: false };
    let subject = Some(Subject::User(user.parse().unwrap()));
    let deed = if role.is_some() { Deed::Invite } else { Deed::Uninvite };
    let act = Act::new(clock::now_ms(), by, deed);
    let change = Change {
        act: Act { room: Some(room.clone()), subject, role, ..act },
        is_new: false,
        seen: Vec::new(),
        becomes: vec![(user.parse().unwrap(), role)],
        most_rooms: 100,
    };
    assert!(node.store.change(&change).await.unwrap());
}

/// Who has a role in a room, two at a time.
pub(crate) async fn holders(node: &Node, room: &RoomId) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let page = node.store.holders(room, seen.last(), 2).await.unwrap();
        seen.extend(page.roles.into_iter().map(|(user, _)| user));
        if !page.more {
            return seen.iter().map(ToString::to_string).collect();
        }
    }
}

/// While nodes are replaced one by one, those of the release before change the rules alone.
#[tokio::test]
async fn what_a_release_before_has_changed_is_found_when_it_is_read() {
    let server = Server::start();
    let (node, room) = (Node::on(&server).await, lobby());
    let (rules, in_order) = ("{r:lobby}:rules", "{r:lobby}:holders");
    for user in ["ada", "bob", "cyd"] {
        give(&node, &room, user, Some(RoomRole::Member)).await;
    }

    // All of them are from before.
    assert_eq!(server.cli(&["DEL", in_order]), ":1");
    assert_eq!(holders(&node, &room).await, ["ada", "bob", "cyd"]);
    assert_eq!(server.cli(&["ZCARD", in_order]), ":3", "that is done once");
    // All but one are.
    server.cli(&["DEL", in_order]);
    give(&node, &room, "dan", Some(RoomRole::Member)).await;
    assert_eq!(holders(&node, &room).await, ["ada", "bob", "cyd", "dan"]);
    // As many as before, and others.
    server.cli(&["HDEL", rules, "role ada"]);
    server.cli(&["HSET", rules, "role eve", "member"]);
    assert_eq!(holders(&node, &room).await, ["bob", "cyd", "dan", "eve"]);
    // And nobody any more.
    for user in ["bob", "cyd", "dan", "eve"] {
        give(&node, &room, user, None).await;
    }
    assert_eq!(server.cli(&["EXISTS", in_order]), ":0", "nothing is left behind");
    assert_eq!(holders(&node, &room).await, [""; 0]);
}
