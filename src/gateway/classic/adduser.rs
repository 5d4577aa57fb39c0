//! `adduser`, `users`, `private` and `message`: a page takes a name, and everyone sees who is there.
use serde::Serialize;

use super::{Page, text};
use crate::{
    domain::{id::ConnectionId, message::Entry, presence::Member},
    error::{Error, Result},
    rooms::Frame,
};

/// How often one socket may add a user.
const MOST_SEATS: usize = 20;

#[derive(Serialize)]
struct Private<'a> {
    id: &'a ConnectionId,
    name: &'a str,
    msg: &'a str,
}

/// Everyone hears the list, then the page alone hears who it is.
pub(super) async fn adduser(page: &Page, arg: &str) -> Result<()> {
    let name = page.name(&text(arg)?)?;
    let member = seat(page, name.to_string())?;
    page.lobby.seat(&page.app, page, &member).await?;
    let private = Private { id: &page.connection.id, name: name.as_str(), msg: "secret message" };
    let frame = Frame::new("private", &private);
    page.connection.standing.rename(Some(name.skeleton()));
    *page.name.lock() = Some(name);
    page.connection.push(&frame);
    Ok(())
}

/// Another place in the list for this socket; the same name twice is there twice.
fn seat(page: &Page, name: String) -> Result<Member> {
    let mut seats = page.seats.lock();
    if seats.len() >= MOST_SEATS {
        return Err(Error::LimitExceeded("one page adds at most 20 users"));
    }
    let connection: ConnectionId = format!("{}-{}", page.connection.id, seats.len() + 1)
        .parse()
        .map_err(|_| Error::bad_request("this page cannot add another user"))?;
    seats.push(connection.clone());
    Ok(Member { connection, user: page.connection.user.clone(), name: Some(name), classic: true })
}

pub(super) async fn message(page: &Page, arg: &str) -> Result<()> {
    let name = page.name.lock().as_ref().map(ToString::to_string);
    page.say(&text(arg)?, name).await?;
    Ok(())
}

#[derive(Serialize)]
struct Said<'a> {
    #[serde(rename = "message")]
    text: &'a str,
    /// Absent, not null, where nobody has a name: so it is on the tutorial's wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    id: &'a ConnectionId,
}

pub(super) fn frame(entry: &Entry) -> Frame {
    let said = Said {
        text: entry.text.as_str(),
        user: entry.author.person.name.as_deref(),
        id: &entry.author.connection,
    };
    Frame::new("message", &said)
}

/// The names, in the order they came.
pub(super) fn users(event: &'static str, users: &[(ConnectionId, String)]) -> Frame {
    let names: Vec<&str> = users.iter().map(|(_, name)| name.as_str()).collect();
    Frame::new(event, &names)
}
