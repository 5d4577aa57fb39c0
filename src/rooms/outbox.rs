//! What leaves for one connection, and what happens when it does not take it.
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeTuple};
use serde_json::value::RawValue;

/// An event with its arguments, encoded once and shared by all who are sent it.
#[derive(Debug, Clone)]
pub struct Frame {
    pub event: Cow<'static, str>,
    pub args: Arc<[Box<RawValue>]>,
    /// What the gateway made of it for each namespace, once.
    pub encoded: [OnceLock<Bytes>; 2],
}

impl Frame {
    /// An event with one argument.
    pub fn new(event: &'static str, payload: &impl Serialize) -> Self {
        Self::with_args(event, vec![raw(payload)])
    }

    pub fn with_args(event: impl Into<Cow<'static, str>>, args: Vec<Box<RawValue>>) -> Self {
        Self { event: event.into(), args: args.into(), encoded: Default::default() }
    }

    /// Bytes it takes on the wire, at least.
    pub fn size(&self) -> usize {
        self.event.len() + self.args.iter().map(|arg| arg.get().len() + 1).sum::<usize>() + 4
    }
}

/// A payload as JSON text.
pub fn raw(payload: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(payload).expect("our own payloads are always JSON")
}

/// As an argument list: what Socket.IO puts behind the event's name.
impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.args.len())?;
        for arg in self.args.iter() {
            tuple.serialize_element(arg)?;
        }
        tuple.end()
    }
}

/// Frames that go together, in order: written once for each connection.
#[derive(Debug, Default)]
pub struct Batch {
    pub frames: Vec<Frame>,
    /// What the gateway made of them for each namespace, once.
    pub joined: [OnceLock<Bytes>; 2],
}

/// The connection does not take what it is sent: it has too much unsent, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Why the server closes a connection; the code of the notice that precedes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CloseReason {
    /// It did not read what it was sent; it may come back at once and resume.
    SlowConsumer,
    /// The node is going away; come back after the time the notice says.
    Draining,
    /// An event was larger than allowed.
    TooLarge,
    /// It went on and on although it was told to slow down.
    RateLimited,
    /// Something it said did not come to its end in time.
    Unfinished,
    /// It was refused in the handshake.
    Refused,
    /// Banned from everywhere; who comes back is refused.
    Banned,
    /// Sent out; may come back.
    Kicked,
    /// The token has ended; come back with another one.
    Expired,
    /// The token was withdrawn; who comes back with it is refused.
    Revoked,
}

/// Where one connection's frames and answers go. In order, never waiting.
pub trait Outbox: Send + Sync {
    /// Takes a frame, or says [`Full`]: then nothing later may be pushed for it either, and the
    /// caller closes it.
    fn push(&self, frame: &Frame) -> Result<(), Full>;
    /// The same for several; none is taken after one that was not.
    fn push_all(&self, batch: &Batch) -> Result<(), Full> {
        batch.frames.iter().try_for_each(|frame| self.push(frame))
    }
    /// Closes the transport, so that the client comes back by itself.
    fn close(&self, reason: CloseReason);
}
