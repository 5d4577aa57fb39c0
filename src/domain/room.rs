//! A room: what is said in it is numbered, kept and told to its members.
use data_encoding::BASE32_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use super::id::RoomId;
use super::{Invalid, id::UserId};

/// What the id of a private room and of a direct conversation begin with.
pub const PRIVATE: &str = "prv_";
const DIRECT: &str = "dm_";

/// Who may know of a room. Its id says so: no private room can be taken for a public one, or come
/// into being by a guess, and no store need be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everybody.
    Public,
    /// Whoever has a role in it.
    Private,
    /// The two it is between.
    Direct,
}

impl RoomId {
    pub fn kind(&self) -> Kind {
        if self.as_str().starts_with(PRIVATE) {
            Kind::Private
        } else if self.as_str().starts_with(DIRECT) {
            Kind::Direct
        } else {
            Kind::Public
        }
    }

    pub fn is_public(&self) -> bool {
        self.kind() == Kind::Public
    }

    /// The one conversation of these two, whoever of them begins it.
    pub fn direct(one: &UserId, other: &UserId) -> Result<Self, Invalid> {
        let (first, second) = if one < other { (one, other) } else { (other, one) };
        let hash = Sha256::digest(format!("{first} {second}"));
        format!("{DIRECT}{}", BASE32_NOPAD.encode(&hash[..20]).to_ascii_lowercase()).parse()
    }
}

/// What one is in a room.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RoomRole {
    /// Anybody, in a public room.
    Guest,
    /// Reads, and does not write.
    ReadOnly,
    Member,
    /// Invites, sends out and silences, and speaks where others only read.
    Moderator,
    /// May that, and says who is a moderator. A room has one at most.
    Owner,
}

impl RoomRole {
    /// Whether it keeps order in the room; then no measure of the room holds against it.
    pub fn moderates(self) -> bool {
        self >= Self::Moderator
    }
}

/// What one's messages depend on in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub role: RoomRole,
    /// Only the owner and moderators speak here.
    pub announce: bool,
}

impl Seat {
    pub fn may_speak(self) -> bool {
        self.role.moderates() || !(self.announce || self.role == RoomRole::ReadOnly)
    }
}

/// A room one is in for good: a private one, or a direct conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Membership {
    pub room: RoomId,
    pub role: RoomRole,
    /// Only its owner and moderators speak.
    pub announce: bool,
    /// Of a direct conversation: with whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
}

/// How many parts the online set has, so that no single key of the store is hot.
pub const ONLINE_PARTS: u16 = 64;

/// Where one can be present: a room, or (a part of) the set of all who are online,
/// which is nothing but a room that everybody is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Room(RoomId),
    Online(u16),
}

impl Place {
    /// The part of the online set this user belongs to.
    pub fn online(user: &UserId) -> Self {
        // FNV-1a: every node must agree on it for ever, so it is not std's hasher.
        let hash = user
            .as_str()
            .bytes()
            .fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self::Online(u16::try_from(hash % u32::from(ONLINE_PARTS)).unwrap_or(0))
    }

    /// How a store's key names it. No room id begins with `~`.
    pub fn key(&self) -> String {
        match self {
            Self::Room(room) => room.to_string(),
            Self::Online(part) => format!("~online-{part}"),
        }
    }

    /// The inverse of [`Place::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        match key.strip_prefix("~online-") {
            Some(part) => part.parse().ok().filter(|p| *p < ONLINE_PARTS).map(Self::Online),
            None => key.parse().ok().map(Self::Room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_again_by_its_key() {
        let room = Place::Room("lobby".parse().unwrap());
        let online = Place::online(&"g_abc".parse().unwrap());
        for place in [room, online] {
            assert_eq!(Place::from_key(&place.key()), Some(place));
        }
        assert_eq!(Place::from_key("~online-64"), None);
    }

    #[test]
    fn a_conversation_is_one_for_both_and_another_for_any_other_two() {
        let [ada, bob, cyd]: [UserId; 3] = ["ada", "g_bob", "Cyd"].map(|id| id.parse().unwrap());
        let direct = |one, other| RoomId::direct(one, other).unwrap();

        assert_eq!(direct(&ada, &bob), direct(&bob, &ada));
        assert_ne!(direct(&ada, &bob), direct(&ada, &cyd));
        assert_eq!(direct(&ada, &bob).kind(), Kind::Direct);
    }

    #[test]
    fn who_reads_only_and_who_is_no_moderator_where_things_are_announced_does_not_speak() {
        use RoomRole as R;
        let speaks = |announce| {
            [R::Guest, R::ReadOnly, R::Member, R::Moderator, R::Owner]
                .map(|role| Seat { role, announce }.may_speak())
        };

        assert_eq!(speaks(false), [true, false, true, true, true]);
        assert_eq!(speaks(true), [false, false, false, true, true]);
    }
}
