//! `room:removed`: one was sent out of a room.
use super::ServerEvent;
pub use crate::policy::moderation::RoomRemoved;

impl ServerEvent for RoomRemoved<'_> {
    const NAME: &'static str = RoomRemoved::NAME;
}
