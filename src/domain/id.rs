//! Identifiers: who and what is spoken of, each a checked text.
use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// An identifier as a cheap-to-clone text that only its own `FromStr` makes.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr, $says:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $says })
            }
        }
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(Invalid($says)) }
            }
        }
        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_plain(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

text_id!(
    /// A room, `^[a-z0-9][a-z0-9_-]{0,63}$`: safe inside a Redis key's hash tag.
    RoomId,
    |text| {
        is_plain(text, 1..=64)
            && !text.bytes().any(|b| b.is_ascii_uppercase())
            && text.as_bytes()[0].is_ascii_alphanumeric()
    },
    "a room id is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or a digit"
);
text_id!(
    /// A user: what a guest session or a token vouches for.
    UserId,
    |text| is_plain(text, 1..=64),
    "a user id is 1 to 64 of A-Z, a-z, 0-9, _ and -"
);
text_id!(
    /// One connection's public id. Never `socket.id`: that one is a secret (invariant I7).
    ConnectionId,
    |text| is_plain(text, 1..=64),
    "a connection id is 1 to 64 of A-Z, a-z, 0-9, _ and -"
);
text_id!(
    /// One start of one node; a restarted node is another.
    NodeId,
    |text| is_plain(text, 1..=64),
    "a node id is 1 to 64 of A-Z, a-z, 0-9, _ and -"
);
text_id!(
    /// A message as its author names it (`mid`), so that a retry is recognised.
    MessageId,
    |text| is_plain(text, 16..=36),
    "a mid is 16 to 36 of A-Z, a-z, 0-9, _ and -; a UUIDv7 or a ULID is best"
);
text_id!(
    /// The lineage of a room's numbers: another epoch means that the log began anew.
    Epoch,
    |text| is_plain(text, 8..=32),
    "an epoch is 8 to 32 of A-Z, a-z, 0-9, _ and -"
);

impl MessageId {
    /// When it was made, in ms since 1970, if it is a `UUIDv7` or a ULID (48 bits of time in front).
    pub fn made_at_ms(&self) -> Option<u64> {
        match self.0.len() {
            36 if self.0.as_bytes()[14] == b'7' => {
                u64::from_str_radix(self.0.replace('-', "").get(..12)?, 16).ok()
            }
            26 => crockford(&self.0[..10]),
            _ => None,
        }
    }
}

/// The number a ULID's first ten characters write.
fn crockford(text: &str) -> Option<u64> {
    text.bytes().try_fold(0u64, |sum, b| {
        let digit = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
            .iter()
            .position(|d| *d == b.to_ascii_uppercase())?;
        (sum << 5).checked_add(digit as u64).filter(|n| *n < 1 << 50)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_is_safe_inside_a_hash_tag() {
        for good in ["a", "lobby", "0-_", &"r".repeat(64)] {
            good.parse::<RoomId>().unwrap();
        }
        for bad in ["", "Upper", "a b", "a:b", "a}{b", "*", "../x", "-a", "комната", "a\r\n"]
        {
            bad.parse::<RoomId>().unwrap_err();
        }
        "r".repeat(65).parse::<RoomId>().unwrap_err();
    }

    #[test]
    fn a_mid_tells_when_it_was_made_if_its_kind_does() {
        let v7: MessageId = "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap();
        assert_eq!(v7.made_at_ms(), Some(0x0190_163d_8694));
        let ulid: MessageId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!(ulid.made_at_ms(), Some(1_469_922_850_259));
        let other: MessageId = "a-retry-of-my-own".parse().unwrap();
        assert_eq!(other.made_at_ms(), None);
    }
}
