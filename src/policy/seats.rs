//! What one is in a room, and how whoever it is hears at once that it is another.
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::{
        id::RoomId,
        moderation::{Act, Deed},
        room::{RoomRole, Seat},
        view::View,
    },
    rooms::{Connection, Frame, Rooms},
};

/// How a time without end is written: 2^53 - 1, which is exact in every language.
pub const FOR_EVER: u64 = (1 << 53) - 1;

/// What one is in a room one is in has changed. Told at most once: `room:join` says it again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomMe<'a> {
    pub room: &'a RoomId,
    pub role: RoomRole,
    /// Only the owner and moderators speak here.
    pub announce: bool,
    /// Until when one may not speak here, ms since 1970; 9007199254740991: for ever; 0: no more.
    /// Absent: as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<u64>,
}

impl RoomMe<'_> {
    pub const NAME: &'static str = "room:me";
}

/// Changes what a connection is in a room, and says so if it is another now.
pub(super) fn change(connection: &Connection, room: &RoomId, to: impl FnOnce(&mut Seat)) {
    if let Some(seat) = connection.change_seat(room, to) {
        tell(connection, room, seat, None);
    }
}

/// Somebody may not speak in a room from now on, or may again.
pub(super) fn heed_mute(act: &Act, room: &RoomId, rooms: &Rooms) {
    let until = if act.deed == Deed::Mute { act.until.unwrap_or(FOR_EVER) } else { 0 };
    for connection in rooms.connections() {
        if let Some(seat) = connection.seat(room)
            && !seat.role.moderates()
            && concerns(act, &connection)
        {
            tell(&connection, room, seat, Some(until));
        }
    }
}

/// Whether it means whoever is behind this connection, and holds against them.
pub(super) fn concerns(act: &Act, connection: &Connection) -> bool {
    let Some(subject) = &act.subject else { return false };
    connection.standing.held_by().contains(subject)
}

fn tell(connection: &Connection, room: &RoomId, seat: Seat, muted_until: Option<u64>) {
    if connection.view().meets(View::NATIVE) {
        let Seat { role, announce } = seat;
        connection.push(&Frame::new(RoomMe::NAME, &RoomMe { room, role, announce, muted_until }));
    }
}
