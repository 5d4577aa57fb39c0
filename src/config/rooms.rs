//! `[rooms]`: rooms, and how many may be in one.
use std::time::Duration;

use serde::Deserialize;

use super::{
    Impossible,
    bounds::{HOUR, ms, within},
};
use crate::domain::session::Role;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// Joining or writing creates a public room; without it only rooms somebody has written in.
    pub open: bool,
    /// The least role with which one makes a private room, and a public one of one's own.
    pub create_private: Role,
    pub create_public: Role,
    /// Connections of this node in one room.
    pub max_members: usize,
    /// How often a hosted room's position is compared with the store's.
    #[serde(with = "humantime_serde")]
    pub position_check: Duration,
    /// How often an active room's members are told where its log ends.
    #[serde(with = "humantime_serde")]
    pub beacon: Duration,
    /// In a busy room, how long messages wait for each other before they are written together.
    #[serde(with = "humantime_serde")]
    pub gather: Duration,
}

impl Rooms {
    pub fn validate(&self) -> Result<(), Impossible> {
        within("rooms.max_members", self.max_members, 1..=1_000_000)?;
        within("rooms.position_check", self.position_check, ms(100)..=HOUR)?;
        within("rooms.beacon", self.beacon, ms(100)..=HOUR)?;
        within("rooms.gather", self.gather, Duration::ZERO..=ms(100))
    }
}
