//! `[limits]`: how much of what one connection may have.
use std::{num::NonZeroU32, time::Duration};

use bytesize::ByteSize;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Messages a second, per connection, in the long run.
    pub message_rate: NonZeroU32,
    /// Messages at once, per connection.
    pub message_burst: NonZeroU32,
    /// Name changes a minute, per connection.
    pub renames_per_minute: NonZeroU32,
    /// Rooms a connection may be in.
    pub rooms_per_connection: usize,
    /// Events a connection may have waiting; at it, reading from the connection pauses.
    pub queued_events: usize,
    /// Bytes a connection may have unsent; at it, the connection is closed as a slow consumer.
    pub unsent_bytes: ByteSize,
    /// How old the oldest unsent byte may be; past it, the same.
    #[serde(with = "humantime_serde")]
    pub unsent_age: Duration,
}
