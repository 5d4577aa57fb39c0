//! The suites' vocabulary: messages, members, cursors, and waiting for what must come.
use std::future::Future;

use hubbub::{
    adapter::{Heard, Hearing},
    clock,
    domain::{
        id::{MessageId, RoomId, UserId},
        message::{Author, Draft, Entry, Message, Terms},
        position::{Cursor, Head},
        presence::{Member, Person},
        room::Place,
    },
    store::log::{Appended, Log, Page},
};

use crate::harness::{self, patiently};

pub(crate) fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

pub(crate) fn place(id: &str) -> Place {
    Place::Room(room(id))
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// A message of `author` in `place`, under a mid of its own.
pub(crate) fn message(place: &str, author: &str, text: &str) -> Message {
    let person = Person { id: user(author), name: Some(author.to_owned()), classic: false };
    Message {
        room: room(place),
        mid: clock::new_mid(),
        author: Author { person, connection: "c_1".parse().unwrap() },
        text: Draft::try_from(text.to_owned()).unwrap(),
        terms: Terms::default(),
    }
}

/// The same under another mid.
pub(crate) fn under(mid: &str, message: &Message) -> Message {
    Message { mid: mid.parse().unwrap(), ..message.clone() }
}

/// Writes `n` messages in a room, one after the other, and returns their mids.
pub(crate) async fn write(log: &dyn Log, place: &str, n: u64) -> Vec<MessageId> {
    let mut mids = Vec::new();
    for i in 0..n {
        let message = message(place, "ada", &format!("text {i}"));
        log.append(&message).await.unwrap();
        mids.push(message.mid);
    }
    mids
}

/// Writes one message.
pub(crate) async fn say(log: &dyn Log, place: &str, text: &str) -> Appended {
    log.append(&message(place, "ada", text)).await.unwrap()
}

pub(crate) async fn head(log: &dyn Log, place: &str) -> Option<Head> {
    log.heads(&[room(place)]).await.unwrap().remove(0)
}

/// The numbers on a page.
pub(crate) fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.position.seq).collect()
}

/// Where a client stands that has seen this much of the log that ends at `head`.
pub(crate) fn cursor(head: &Head, seq: u64, mid: Option<&MessageId>) -> Cursor {
    let seq = seq.try_into().unwrap();
    Cursor { epoch: Some(head.epoch.clone()), seq, mid: mid.cloned() }
}

/// A native member: `ada-1` is a connection of the user `ada`.
pub(crate) fn member(connection: &str, name: &str) -> Member {
    let user = user(connection.split('-').next().unwrap());
    let connection = connection.parse().unwrap();
    Member { connection, user, name: Some(name.to_owned()), classic: false }
}

/// The same through a tutorial's dialect.
pub(crate) fn classic(connection: &str, name: &str) -> Member {
    Member { classic: true, ..member(connection, name) }
}

/// The ids of these people.
pub(crate) fn ids(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.id.as_str()).collect()
}

/// What is heard next.
pub(crate) async fn next(hearing: &mut Hearing) -> Heard {
    patiently("something to hear", hearing.recv()).await.expect("the adapter is gone")
}

/// The entry that is heard next, whatever else is heard before.
pub(crate) async fn next_entry(hearing: &mut Hearing) -> Entry {
    loop {
        if let Heard::Entry(entry) = next(hearing).await {
            return Entry::clone(&entry);
        }
    }
}

/// Asks again until the answer is `Some`.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl FnMut() -> F) -> T {
    harness::eventually("the answer", ask).await
}
