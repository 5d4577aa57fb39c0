//! What may be done about somebody: to whom, as what they are known, where, and for how long.
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Invalid,
    address::Address,
    id::{RoomId, UserId},
    nickname::Skeleton,
    presence::Person,
    room::RoomRole,
};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;
/// The longest id of a token, in bytes.
const LONGEST_TOKEN_ID: usize = 128;

/// As what somebody is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    User(UserId),
    /// Whoever goes by a name that reads like this one.
    Name(Skeleton),
    /// Whoever comes from there.
    Address(Address),
    /// One token, by its `jti`.
    Token(TokenId),
}

impl fmt::Display for Subject {
    /// As a store's key names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "u:{user}"),
            Self::Name(name) => write!(f, "n:{name}"),
            Self::Address(address) => write!(f, "a:{address}"),
            Self::Token(token) => write!(f, "t:{token}"),
        }
    }
}

/// A token's own name for itself, its `jti`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

impl TryFrom<String> for TokenId {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let is_one = (1..=LONGEST_TOKEN_ID).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_graphic());
        let says = Invalid("a token's id is 1 to 128 visible ASCII characters");
        is_one.then_some(Self(text)).ok_or(says)
    }
}
impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}
impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why, in a few words, for those who read the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let fits = text.chars().count() <= LONGEST_REASON && !text.chars().any(char::is_control);
        let says = Invalid("a reason is at most 200 characters, without control characters");
        fits.then_some(Self(text)).ok_or(says)
    }
}
impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

/// What lasts until it ends or is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Measure {
    /// May not come in.
    Ban,
    /// May not speak.
    Mute,
    /// What vouched for them does so no more: one token, or all that a user was given so far.
    Revoke,
}

impl Measure {
    /// As a store's key names it.
    pub fn of(self, subject: &Subject) -> String {
        let name: &str = self.into();
        format!("{name} {subject}")
    }
}

/// What was done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Deed {
    /// Sent out, free to come back.
    Kick,
    Ban,
    Unban,
    Mute,
    Unmute,
    Revoke,
    /// Everybody waits between two messages in a room, or no more.
    SlowMode,
    /// Only its owner and moderators speak in a room, or everybody again.
    Announce,
    /// Was given a role in a room.
    Invite,
    /// Has no role in a room any more.
    Uninvite,
}

impl Deed {
    /// The measure it begins.
    pub fn begins(self) -> Option<Measure> {
        match self {
            Self::Ban => Some(Measure::Ban),
            Self::Mute => Some(Measure::Mute),
            Self::Revoke => Some(Measure::Revoke),
            _ => None,
        }
    }

    /// The measure it lifts.
    pub fn lifts(self) -> Option<Measure> {
        match self {
            Self::Unban => Some(Measure::Ban),
            Self::Unmute => Some(Measure::Mute),
            _ => None,
        }
    }
}

/// One act of moderation, as it is recorded, and as all nodes are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// When, ms since 1970.
    pub at: u64,
    pub by: Person,
    pub deed: Deed,
    /// Absent: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Absent: it concerns the whole room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// ms since 1970. Absent: for ever, or at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Of slow mode: how long everybody waits; 0: no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
    /// Whether only its owner and moderators speak in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce: Option<bool>,
    /// The role that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoomRole>,
    #[serde(default)]
    pub reason: Reason,
}

impl Act {
    /// One that concerns nobody yet, and nothing but everywhere.
    pub fn new(at: u64, by: Person, deed: Deed) -> Self {
        Self {
            at,
            by,
            deed,
            room: None,
            subject: None,
            until: None,
            pause_ms: None,
            announce: None,
            role: None,
            reason: Reason::default(),
        }
    }

    /// What of a room itself it changes: where a store keeps that, and to what.
    pub fn setting(&self) -> Option<(&'static str, u64)> {
        match self.deed {
            Deed::SlowMode => Some(("slow", self.pause_ms?)),
            Deed::Announce => Some(("announce", self.announce?.into())),
            _ => None,
        }
    }

    /// The one user it concerns.
    pub fn user(&self) -> Option<&UserId> {
        match &self.subject {
            Some(Subject::User(user)) => Some(user),
            _ => None,
        }
    }

    /// Where a store keeps the measure that this begins or lifts.
    pub fn key(&self) -> Option<String> {
        let measure = self.deed.begins().or_else(|| self.deed.lifts())?;
        Some(measure.of(self.subject.as_ref()?))
    }

    /// Whether the measure it began has not run out.
    pub fn is_in_force(&self, now: u64) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// For how long it goes on; `None`: for ever.
    pub fn left(&self, now: u64) -> Option<u64> {
        self.until.map(|until| until.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_has_one_place_whatever_began_it() {
        let by = Person { id: "mod".parse().unwrap(), name: None, classic: false };
        let subject = Some(Subject::User("g_x".parse().unwrap()));
        let act = |deed| Act {
            subject: subject.clone(),
            until: Some(9),
            ..Act::new(5, by.clone(), deed)
        };

        assert_eq!(act(Deed::Ban).key().as_deref(), Some("ban u:g_x"));
        assert_eq!(act(Deed::Ban).key(), act(Deed::Unban).key());
        assert_eq!(act(Deed::Kick).key(), None);
        assert!(act(Deed::Ban).is_in_force(8) && !act(Deed::Ban).is_in_force(9));
    }
}
