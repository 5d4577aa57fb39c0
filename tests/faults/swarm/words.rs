//! What is said on the wire, as a client of the swarm reads it.
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::records::{Line, Mid, Name, text_hash};

/// A frame, taken apart.
#[derive(Debug)]
pub(super) enum Packet {
    /// Engine.IO's first word.
    Open {
        patience_ms: u64,
    },
    Ping,
    Close,
    Connected,
    Rejected(String),
    /// The server ends the namespace.
    Ended,
    Event {
        name: String,
        payload: String,
    },
    Ack {
        id: u64,
        payload: String,
    },
    Other,
}

impl Packet {
    pub(super) fn of(frame: &str) -> Self {
        Self::read(frame).unwrap_or(Self::Other)
    }

    fn read(frame: &str) -> Option<Self> {
        let rest = frame.get(1..)?;
        Some(match frame.as_bytes()[0] {
            b'0' => {
                let open: Value = serde_json::from_str(rest).ok()?;
                let part = |name: &str| open[name].as_u64();
                Self::Open { patience_ms: part("pingInterval")? + part("pingTimeout")? }
            }
            b'1' => Self::Close,
            b'2' => Self::Ping,
            b'4' => Self::socket_io(rest)?,
            _ => Self::Other,
        })
    }

    /// A packet of Socket.IO: its type, its namespace, its number, its payload.
    fn socket_io(packet: &str) -> Option<Self> {
        let (kind, rest) = packet.split_at_checked(1)?;
        let rest = match rest.strip_prefix('/') {
            Some(named) => named.split_once(',').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, payload) = rest.split_at(digits);
        Some(match kind {
            "0" => Self::Connected,
            "1" => Self::Ended,
            "2" => {
                let mut parts: Vec<&RawValue> = serde_json::from_str(payload).ok()?;
                let name = serde_json::from_str(parts.first()?.get()).ok()?;
                let payload = if parts.len() > 1 { parts.remove(1).get() } else { "null" };
                Self::Event { name, payload: payload.to_owned() }
            }
            "3" => {
                let parts: Vec<&RawValue> = serde_json::from_str(payload).ok()?;
                let payload = parts.first()?.get().to_owned();
                Self::Ack { id: number.parse().ok()?, payload }
            }
            "4" => {
                let why: Value = serde_json::from_str(payload).ok()?;
                Self::Rejected(why["message"].as_str().unwrap_or(payload).to_owned())
            }
            _ => Self::Other,
        })
    }
}

/// An answer: `ok`, or a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) ok: bool,
    pub(super) error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) retryable: bool,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) outcome: Option<crate::records::Outcome>,
}

/// The ack of `message:send`.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) dup: bool,
}

/// `message:new`, live or in a page.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    room: String,
    epoch: String,
    seq: u64,
    mid: String,
    user: Person,
    text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Person {
    pub(super) id: String,
}

impl Message {
    pub(super) fn line(&self) -> Line {
        Line {
            room: Name::new(&self.room),
            epoch: Name::new(&self.epoch),
            seq: self.seq,
            mid: Mid::new(&self.mid).expect("the server takes no longer mid"),
            text_hash: text_hash(&self.text),
            user: Name::new(&self.user.id),
        }
    }
}

/// The ack of `room:join`.
#[derive(Debug, Deserialize)]
pub(super) struct Joined {
    pub(super) epoch: Option<String>,
    pub(super) head: u64,
    pub(super) first: u64,
    pub(super) messages: Vec<Message>,
    pub(super) upto: u64,
    pub(super) has_more: bool,
    pub(super) truncated: bool,
    pub(super) reset: bool,
    pub(super) reason: Option<String>,
}

/// The ack of `message:history`.
#[derive(Debug, Deserialize)]
pub(super) struct History {
    pub(super) messages: Vec<Message>,
    pub(super) epoch: Option<String>,
    pub(super) first: u64,
    pub(super) head: u64,
    pub(super) more_after: bool,
}

/// `session:ready`.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) node: String,
    /// Guests have one.
    pub(super) session: Option<String>,
    pub(super) connection: String,
    pub(super) user: Person,
}

/// `room:head`.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) room: String,
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) mid: Option<String>,
}

/// `room:reset`.
#[derive(Debug, Deserialize)]
pub(super) struct Reset {
    pub(super) room: String,
    pub(super) reason: String,
}

/// `system:notice`.
#[derive(Debug, Deserialize)]
pub(super) struct Notice {
    pub(super) code: String,
    pub(super) reconnect: bool,
    pub(super) after_ms: u64,
}

/// `presence:changed`.
#[derive(Debug, Deserialize)]
pub(super) struct Changed {
    pub(super) room: String,
    pub(super) joined: Vec<Person>,
    pub(super) left: Vec<Person>,
}

/// The ack of `presence:get` about users.
#[derive(Debug, Deserialize)]
pub(super) struct Online {
    pub(super) users: Vec<IsOnline>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IsOnline {
    pub(super) id: String,
    pub(super) online: bool,
}

/// The ack of `room:members`.
#[derive(Debug, Deserialize)]
pub(super) struct Members {
    pub(super) members: Vec<Person>,
    pub(super) cursor: Option<String>,
}

/// The names of people.
pub(super) fn ids(people: &[Person]) -> Vec<Name> {
    people.iter().map(|person| Name::new(&person.id)).collect()
}
