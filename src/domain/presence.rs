//! Who is present where.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{ConnectionId, UserId};

/// A connection that is in a place. Lasting membership comes with private rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The connection. A tutorial's socket may add several users: each has a key of its own here.
    pub connection: ConnectionId,
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Came through a tutorial's dialect, so nothing vouches for the name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub classic: bool,
}

/// A user as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    pub id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub classic: bool,
}

impl From<&Member> for Person {
    fn from(member: &Member) -> Self {
        Self { id: member.user.clone(), name: member.name.clone(), classic: member.classic }
    }
}

/// What changed in a room: users who were not there and now are, and the other way round.
/// A second tab of the same user changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    pub joined: Vec<Person>,
    pub left: Vec<Person>,
    /// Same user, other name.
    #[serde(default)]
    pub changed: Vec<Person>,
    /// Users in the room now.
    pub count: u64,
    /// A tutorial's named socket came or went: their list of names is not what it was.
    #[serde(default)]
    pub classic: bool,
}
