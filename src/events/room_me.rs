//! `room:me`: what one is in a room has changed.
use super::ServerEvent;
pub use crate::policy::seats::RoomMe;

impl ServerEvent for RoomMe<'_> {
    const NAME: &'static str = RoomMe::NAME;
}
