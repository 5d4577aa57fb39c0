//! `[rooms]`: rooms, and how many may be in one.
use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// Joining or writing creates a public room; without it only rooms somebody has written in.
    pub open: bool,
    /// Connections of this node in one room.
    pub max_members: usize,
    /// How often a hosted room's position is compared with the store's.
    #[serde(with = "humantime_serde")]
    pub position_check: Duration,
    /// How often an active room's members are told where its log ends.
    #[serde(with = "humantime_serde")]
    pub beacon: Duration,
}
