//! The outbox of one socket: what is said to it, as the library takes it and as a frame of ours.
use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::{adapter::LocalAdapter, extract::AckSender, socket::Socket};

use super::{
    conn::Conn,
    link::{Link, Utterance},
    outgoing::Outgoing,
    packet::{self, Namespace},
};
use crate::rooms::{Batch, CloseReason, Frame, Full, Outbox, raw};

pub(super) struct SocketOutbox {
    /// Weak: the socket owns its handlers, and they own this.
    socket: Weak<Socket<LocalAdapter>>,
    namespace: Namespace,
    pub(super) link: Arc<Link>,
    /// Whether all that the library was handed for it is out, its CONNECT first of all.
    is_library_done: Arc<AtomicBool>,
    /// The stream, once frames of ours go straight to it.
    direct: OnceLock<Arc<Conn>>,
}

/// The answer to one event, still to be given.
pub(super) struct Ack {
    pub(super) id: i64,
    pub(super) sender: AckSender,
}

impl SocketOutbox {
    pub(super) fn new(socket: &Arc<Socket<LocalAdapter>>, link: Arc<Link>) -> Arc<Self> {
        let outbox = Arc::new(Self {
            socket: Arc::downgrade(socket),
            namespace: Namespace::of(socket.ns()),
            link,
            is_library_done: Arc::default(),
            direct: OnceLock::new(),
        });
        outbox.link.add(&outbox);
        outbox
    }

    /// Whether the library has written all it was handed for this socket: from then on its frames
    /// go straight to the stream.
    pub(super) fn goes_direct(&self, conn: &Arc<Conn>) -> bool {
        let is_done = self.is_library_done.load(Ordering::Acquire);
        if is_done {
            self.direct.get_or_init(|| conn.clone());
        }
        is_done
    }

    /// The library is about to be handed this text for it.
    pub(super) fn hands_over(&self, out: &mut Outgoing, frame: &Bytes) {
        out.watch_for(packet::text(frame), &self.is_library_done);
    }

    /// Who is gone is about to depart; that is no reason to end the session it was in.
    fn socket(&self) -> Option<Arc<Socket<LocalAdapter>>> {
        self.socket.upgrade().filter(|socket| socket.connected())
    }

    /// Says it straight to the stream, if nothing stands in the way.
    fn says_at_once(&self, frames: &Bytes) -> bool {
        let Some(conn) = self.direct.get() else { return false };
        let mut out = conn.out();
        let is_free = out.is_open_and_idle();
        if is_free {
            conn.push(&mut out, frames);
        }
        is_free
    }

    /// Says why the session ends, however much is unsent. If it cannot be said any more, the end
    /// says it.
    pub(super) fn say_last(&self, frame: &Frame) {
        if let Some(socket) = self.socket() {
            self.link.say(Event { outbox: self, socket: &socket, frame }, true).ok();
        }
    }

    /// Answers an event. In order with what is pushed before and after.
    pub(super) fn answer(&self, ack: Ack, payload: &impl Serialize) {
        let answer = Answer { outbox: self, ack, payload: raw(payload) };
        if self.direct.get().is_some() && self.says_at_once(&answer.packet()) {
            return;
        }
        if self.socket().is_some() && self.link.say(answer, false).is_err() {
            self.close(CloseReason::SlowConsumer);
        }
    }
}

impl Outbox for SocketOutbox {
    fn push(&self, frame: &Frame) -> Result<(), Full> {
        if self.direct.get().is_some() && self.says_at_once(packet::event(self.namespace, frame)) {
            return Ok(());
        }
        let Some(socket) = self.socket() else { return Ok(()) };
        self.link.say(Event { outbox: self, socket: &socket, frame }, false)
    }

    fn push_all(&self, batch: &Batch) -> Result<(), Full> {
        if batch.frames.len() < 2 || self.direct.get().is_none() {
            return batch.frames.iter().try_for_each(|frame| self.push(frame));
        }
        if self.says_at_once(packet::events(self.namespace, batch)) {
            return Ok(());
        }
        let Some(socket) = self.socket() else { return Ok(()) };
        self.link.say(Events { outbox: self, socket: &socket, batch }, false)
    }

    fn close(&self, reason: CloseReason) {
        self.link.close(reason);
    }
}

struct Event<'a> {
    outbox: &'a SocketOutbox,
    socket: &'a Socket<LocalAdapter>,
    frame: &'a Frame,
}

impl Utterance for Event<'_> {
    fn size(&self) -> usize {
        self.frame.size()
    }

    fn packet(&self) -> Bytes {
        packet::event(self.outbox.namespace, self.frame).clone()
    }

    fn by_library(self) -> Result<(), Full> {
        self.socket.emit(&self.frame.event, self.frame).map_err(|_| Full)
    }

    fn outbox(&self) -> &SocketOutbox {
        self.outbox
    }
}

struct Events<'a> {
    outbox: &'a SocketOutbox,
    socket: &'a Socket<LocalAdapter>,
    batch: &'a Batch,
}

impl Utterance for Events<'_> {
    fn size(&self) -> usize {
        self.batch.frames.iter().map(Frame::size).sum()
    }

    fn packet(&self) -> Bytes {
        packet::events(self.outbox.namespace, self.batch).clone()
    }

    fn by_library(self) -> Result<(), Full> {
        let Self { outbox, socket, batch } = self;
        batch.frames.iter().try_for_each(|frame| Event { outbox, socket, frame }.by_library())
    }

    fn outbox(&self) -> &SocketOutbox {
        self.outbox
    }
}

struct Answer<'a> {
    outbox: &'a SocketOutbox,
    ack: Ack,
    payload: Box<RawValue>,
}

impl Utterance for Answer<'_> {
    fn size(&self) -> usize {
        self.payload.get().len() + 4
    }

    fn packet(&self) -> Bytes {
        packet::ack(self.outbox.namespace, self.ack.id, self.payload.get())
    }

    fn by_library(self) -> Result<(), Full> {
        self.ack.sender.send(&(self.payload,)).map_err(|_| Full)
    }

    fn outbox(&self) -> &SocketOutbox {
        self.outbox
    }
}
