//! Who may do what in which room. In this round every room is public, and members may speak.
use crate::{
    domain::id::RoomId,
    error::{Error, Result},
    rooms::Connection,
};

/// Only a member may write, read on, or look who else is there.
pub fn member_of(room: &RoomId, connection: &Connection) -> Result<()> {
    if connection.is_in(room) { Ok(()) } else { Err(Error::NotMember) }
}
