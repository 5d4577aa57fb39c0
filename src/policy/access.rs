//! Who may do what in which room, as far as this node can tell. What only the store can is asked of
//! [`super::roles`] and [`super::moderation`]; whether a message is taken, of the append itself.
use crate::{
    clock,
    domain::{id::RoomId, session::Role},
    error::{Error, Result},
    rooms::Connection,
};

/// Only a member may write, read on, or look who else is there.
pub fn member_of(room: &RoomId, connection: &Connection) -> Result<()> {
    if connection.is_in(room) { Ok(()) } else { Err(Error::NotMember) }
}

/// Who is muted everywhere says nothing anywhere; a room's own mutes are the append's to see to.
pub fn may_speak(connection: &Connection) -> Result<()> {
    let Some(until) = connection.standing.muted_until() else { return Ok(()) };
    let now = clock::now_ms();
    if until <= now {
        return Ok(());
    }
    let retry_after_ms = (until != u64::MAX).then(|| until - now);
    Err(Error::Muted { retry_after_ms })
}

/// Whether one's messages would be taken here: asked of what is shown of somebody, and not kept.
pub fn may_write_in(room: &RoomId, connection: &Connection) -> Result<()> {
    member_of(room, connection)?;
    may_speak(connection)?;
    match connection.seat(room) {
        Some(seat) if !seat.may_speak() => Err(Error::only_reads()),
        _ => Ok(()),
    }
}

/// Whether one keeps order everywhere. In one room: [`super::roles::Roles::may_moderate`].
pub fn may_moderate(connection: &Connection) -> Result<()> {
    if connection.standing.role().moderates() {
        return Ok(());
    }
    Err(Error::Forbidden("only moderators may do this"))
}

pub fn is_admin(connection: &Connection) -> Result<()> {
    if connection.standing.role() == Role::Admin {
        return Ok(());
    }
    Err(Error::Forbidden("only admins may do this"))
}
