//! `[limits]`: how much of what one connection may have.
use std::{num::NonZeroU32, time::Duration};

use bytesize::ByteSize;
use serde::Deserialize;

use super::{
    Impossible,
    bounds::{MINUTE, ms, within},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Messages a second, per connection, in the long run.
    pub message_rate: NonZeroU32,
    /// Messages at once, per connection.
    pub message_burst: NonZeroU32,
    /// Messages a second in one room, of all; 0: no limit.
    pub room_message_rate: u32,
    /// Connections a user may have, on all nodes.
    pub connections_per_user: usize,
    /// Sessions of one address on one node.
    pub sessions_per_address: usize,
    /// New sessions a second of one address on one node.
    pub session_rate_per_address: NonZeroU32,
    /// Joins a second, per connection, in the long run.
    pub join_rate: NonZeroU32,
    /// Joins at once, per connection.
    pub join_burst: NonZeroU32,
    /// Pages of history and of roles a second, per connection, in the long run.
    pub history_rate: NonZeroU32,
    /// Pages at once, per connection.
    pub history_burst: NonZeroU32,
    /// Joins of rooms that are not there, a minute, per connection.
    pub misses_per_minute: NonZeroU32,
    /// "Is typing" is told at most this often: of a connection, and to a room.
    #[serde(with = "humantime_serde")]
    pub typing_every: Duration,
    /// Name changes a minute, per connection.
    pub renames_per_minute: NonZeroU32,
    /// Rooms a connection may be in.
    pub rooms_per_connection: usize,
    /// Rooms that are not public a user may be in for good.
    pub rooms_per_user: usize,
    /// WebSocket frames a second that say nothing: pings, pongs and empty ones.
    pub idle_frames: NonZeroU32,
    /// Events a connection may have waiting; at it, reading from the connection pauses.
    pub queued_events: usize,
    /// Bytes a connection may have unsent; at it, the connection is closed as a slow consumer.
    pub unsent_bytes: ByteSize,
    /// How old the oldest unsent byte may be; past it, the same.
    #[serde(with = "humantime_serde")]
    pub unsent_age: Duration,
}

impl Limits {
    pub fn validate(&self) -> Result<(), Impossible> {
        within("limits.message_rate", self.message_rate.get(), 1..=1_000_000)?;
        within("limits.message_burst", self.message_burst.get(), 1..=1_000_000)?;
        within("limits.room_message_rate", self.room_message_rate, 0..=1_000_000)?;
        within("limits.connections_per_user", self.connections_per_user, 1..=100_000)?;
        within("limits.sessions_per_address", self.sessions_per_address, 1..=1_000_000)?;
        let rate = self.session_rate_per_address.get();
        within("limits.session_rate_per_address", rate, 1..=1_000_000)?;
        for (key, number) in [
            ("limits.join_rate", self.join_rate),
            ("limits.join_burst", self.join_burst),
            ("limits.history_rate", self.history_rate),
            ("limits.history_burst", self.history_burst),
            ("limits.misses_per_minute", self.misses_per_minute),
        ] {
            within(key, number.get(), 1..=1_000_000)?;
        }
        within("limits.typing_every", self.typing_every, ms(100)..=MINUTE)?;
        within("limits.renames_per_minute", self.renames_per_minute.get(), 1..=1_000_000)?;
        within("limits.rooms_per_connection", self.rooms_per_connection, 1..=100_000)?;
        within("limits.rooms_per_user", self.rooms_per_user, 1..=1_000)?;
        within("limits.idle_frames", self.idle_frames.get(), 1..=1_000_000)?;
        within("limits.queued_events", self.queued_events, 1..=100_000)?;
        let bytes = ByteSize::kib(1)..=ByteSize::gib(1);
        within("limits.unsent_bytes", self.unsent_bytes, bytes)?;
        within("limits.unsent_age", self.unsent_age, ms(100)..=10 * MINUTE)
    }
}
