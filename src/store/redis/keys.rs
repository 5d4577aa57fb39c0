//! The only place that builds keys. What one script touches shares a hash tag, so that it is one
//! slot of a cluster, one node, one atomic step.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{r:P}:meta` | hash | `e` epoch, `s` head, `m` its mid, `t` its time |
//! | `{r:P}:log` | stream | `<seq>-0`, field `d`: the envelope of the entry |
//! | `{r:P}:idem:<user>:<mid>` | string, expires | `epoch:seq:ts:hash` |
//! | `{r:P}:rules` | hash | `<measure> <subject>` → `<its end, or 0> <json of Act>`; `role <user>` → what it is here; `slow` pause in ms, `announce` 0 or 1; `roles` how many; `version` |
//! | `{r:P}:holders` | sorted set, all 0 | users with a role, paged by id; written anew where the rules say otherwise |
//! | `{r:P}:record` | stream | field `d`: json of Act |
//! | `{r:P}:pace:<user>` | string, expires | µs since 1970 until which its messages are spoken for |
//! | `{g}:rules`, `{g}:record` | | the same, of everywhere |
//! | `{r:P}:m:<node>` | hash | connection → `<order> <json of Member>` |
//! | `{r:P}:u:<user>` | set | `<node>/<connection>` |
//! | `{r:P}:nodes` | set | nodes with members here |
//! | `{r:P}:leaving` | sorted set | user by the end of its grace |
//! | `{r:P}:users` | sorted set, all 0 | users, paged by id and counted |
//! | `{r:P}:people` | hash | user → json of Person |
//! | `{r:P}:order` | number | how many connections came since there was none |
//! | `{r:P}:classic` | sorted set | `<node>/<connection>/<name>` by order |
//! | `{n:<node>}:rooms` | set | places this node may have members in; no fewer than it has |
//! | `{u:<user>}:rooms` | hash | room that is not public → `<ms since 1970> <with whom, or .>`; no fewer than it has a role in |
//! | `{n}:leases` | sorted set | node by the end of its lease |
//! | `{n}:index` | sorted set, all 0 | rooms somebody has written in |
//! | `{n}:guest_key` | string | what signs guest sessions |
//!
//! P is a room id, or `~online-<part>`. `{r:P}` itself is a room's channel.
use crate::{
    domain::{
        id::{MessageId, NodeId, RoomId, UserId},
        room::Place,
    },
    redis::{GLOBAL_CHANNEL, room_channel},
};

pub(super) const LEASES: &str = "{n}:leases";
pub(super) const INDEX: &str = "{n}:index";
pub(super) const GUEST_KEY: &str = "{n}:guest_key";

pub(super) fn meta(room: &RoomId) -> String {
    format!("{}:meta", room_channel(room.as_str()))
}

pub(super) fn log(room: &RoomId) -> String {
    format!("{}:log", room_channel(room.as_str()))
}

pub(super) fn idempotency(room: &RoomId, user: &UserId, mid: &MessageId) -> String {
    format!("{}:idem:{user}:{mid}", room_channel(room.as_str()))
}

/// Where the pace of a user in a room is kept.
pub(super) fn pace(room: &RoomId, user: &UserId) -> String {
    format!("{}:pace:{user}", room_channel(room.as_str()))
}

/// What holds in a room, or everywhere.
pub(super) fn rules(room: Option<&RoomId>) -> String {
    format!("{}:rules", tag(room))
}

/// The field of a room's rules that says what a user is there.
pub(super) fn role(user: &UserId) -> String {
    format!("role {user}")
}

/// Who has a role in a room.
pub(super) fn holders(room: &RoomId) -> String {
    format!("{}:holders", room_channel(room.as_str()))
}

/// The rooms a user is in for good.
pub(super) fn rooms_of(user: &UserId) -> String {
    format!("{{u:{user}}}:rooms")
}

/// What was done in a room, or everywhere.
pub(super) fn record(room: Option<&RoomId>) -> String {
    format!("{}:record", tag(room))
}

/// What is told on a channel is written in that channel's slot.
fn tag(room: Option<&RoomId>) -> String {
    room.map_or_else(|| GLOBAL_CHANNEL.to_owned(), |room| room_channel(room.as_str()))
}

/// The places a node may have members in.
pub(super) fn places_of(node: &NodeId) -> String {
    format!("{{n:{node}}}:rooms")
}

/// The keys of one place, `P` being [`Place::key`].
pub(super) struct PlaceKeys {
    tag: String,
    is_room: bool,
}

impl PlaceKeys {
    pub(super) fn of(place: &Place) -> Self {
        Self { tag: room_channel(&place.key()), is_room: matches!(place, Place::Room(_)) }
    }

    /// Where its changes are told; nobody subscribes to a part of the online set.
    pub(super) fn channel(&self) -> String {
        if self.is_room { self.tag.clone() } else { String::new() }
    }

    pub(super) fn of_user(&self, user: &UserId) -> String {
        format!("{}:u:{user}", self.tag)
    }

    pub(super) fn users(&self) -> String {
        format!("{}:users", self.tag)
    }

    pub(super) fn people(&self) -> String {
        format!("{}:people", self.tag)
    }

    pub(super) fn classic(&self) -> String {
        format!("{}:classic", self.tag)
    }

    /// All of them, in the order in which `scripts/place.lua` takes them, seen from a node.
    pub(super) fn all(&self, node: &NodeId) -> Vec<String> {
        let tag = &self.tag;
        vec![
            format!("{tag}:m:{node}"),
            format!("{tag}:nodes"),
            format!("{tag}:leaving"),
            self.users(),
            self.people(),
            format!("{tag}:order"),
            self.classic(),
            // Not a key but what they begin with: whose they are is known in the script only.
            format!("{tag}:u:"),
        ]
    }
}
