//! `IO_CLIENT_JOIN_ROOM`, `IO_CLIENT_HELLO` and `IO_SERVER_HELLO`: three greetings, in this order:
//! to everyone, to the room, to the one who joined.
use super::{Page, text};
use crate::{
    adapter::{Audience, Told},
    domain::view::View,
    error::{Error, Result},
};

const HELLO: &str = "IO_SERVER_HELLO";
/// Free-form names one page may be under, and their length in characters.
const MOST_GROUPS: usize = 100;
const LONGEST_GROUP: usize = 256;

pub(super) async fn join_room(page: &Page, arg: &str) -> Result<()> {
    let room = text(arg)?;
    if room.chars().count() > LONGEST_GROUP {
        return Err(Error::bad_request("a room's name is at most 256 characters"));
    }
    if !page.connection.group(&room, MOST_GROUPS) {
        return Err(Error::LimitExceeded("one page joins at most 100 rooms"));
    }
    tracing::debug!("a page joined a room of its own");
    let greet = |to, greeting: String| Told::new(to, View::HELLO, HELLO, &greeting);
    // One list, told at once: no node can hear them in another order.
    page.app
        .adapter
        .tell(vec![
            greet(Audience::Everyone, "Hello everyone!".to_owned())?,
            greet(Audience::Group(room.clone()), format!("Hello clients of room {room}!"))?,
            greet(Audience::Connection(page.connection.id.clone()), "Hello you!".to_owned())?,
        ])
        .await
}

/// The tutorial's server only logs it.
pub(super) fn hello(arg: &str) -> Result<()> {
    text(arg)?;
    tracing::debug!("a page says hello");
    Ok(())
}
