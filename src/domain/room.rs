//! A room: what is said in it is numbered, kept and told to its members.
pub use super::id::RoomId;
use super::id::UserId;

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
}
