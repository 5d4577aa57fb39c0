//! The outbox of one socket: what is said to it, as the library takes it and as a frame of ours.
use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::{adapter::LocalAdapter, extract::AckSender, socket::Socket};

use super::{
    link::{Link, Words},
    packet::{Namespace, Packet},
};
use crate::rooms::{Batch, CloseReason, Frame, Full, Outbox, raw};

pub(super) struct SocketOutbox {
    /// Weak: the socket owns its handlers, and they own this.
    socket: Weak<Socket<LocalAdapter>>,
    namespace: Namespace,
    pub(super) link: Arc<Link>,
    /// Whether all that the library was handed for it is out, its CONNECT first of all.
    is_library_done: Arc<AtomicBool>,
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
        });
        outbox.link.add(&outbox);
        outbox
    }

    /// Who is gone is about to depart; that is no reason to end the session it was in.
    fn socket(&self) -> Option<Arc<Socket<LocalAdapter>>> {
        self.socket.upgrade().filter(|socket| socket.connected())
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
        if self.socket().is_none() {
            return;
        }
        let answer = Answer { outbox: self, ack, payload: raw(payload) };
        if self.link.say(answer, false).is_err() {
            self.close(CloseReason::SlowConsumer);
        }
    }
}

impl Outbox for SocketOutbox {
    fn push(&self, frame: &Frame) -> Result<(), Full> {
        let Some(socket) = self.socket() else { return Ok(()) };
        self.link.say(Event { outbox: self, socket: &socket, frame }, false)
    }

    fn push_all(&self, batch: &Batch) -> Result<(), Full> {
        if batch.frames.len() < 2 || !self.is_library_done.load(Ordering::Acquire) {
            return batch.frames.iter().try_for_each(|frame| self.push(frame));
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

impl Words for Event<'_> {
    fn size(&self) -> usize {
        self.frame.size()
    }

    fn packet(&self) -> Packet {
        Packet::event(self.outbox.namespace, self.frame)
    }

    fn by_library(self) -> Result<(), Full> {
        self.socket.emit(&self.frame.event, self.frame).map_err(|_| Full)
    }

    fn is_library_done(&self) -> &Arc<AtomicBool> {
        &self.outbox.is_library_done
    }
}

struct Events<'a> {
    outbox: &'a SocketOutbox,
    socket: &'a Socket<LocalAdapter>,
    batch: &'a Batch,
}

impl Words for Events<'_> {
    fn size(&self) -> usize {
        self.batch.frames.iter().map(Frame::size).sum()
    }

    fn packet(&self) -> Packet {
        Packet::events(self.outbox.namespace, self.batch)
    }

    fn by_library(self) -> Result<(), Full> {
        let Self { outbox, socket, batch } = self;
        batch.frames.iter().try_for_each(|frame| Event { outbox, socket, frame }.by_library())
    }

    fn is_library_done(&self) -> &Arc<AtomicBool> {
        &self.outbox.is_library_done
    }
}

struct Answer<'a> {
    outbox: &'a SocketOutbox,
    ack: Ack,
    payload: Box<RawValue>,
}

impl Words for Answer<'_> {
    fn size(&self) -> usize {
        self.payload.get().len() + 4
    }

    fn packet(&self) -> Packet {
        Packet::ack(self.outbox.namespace, self.ack.id, self.payload.get())
    }

    fn by_library(self) -> Result<(), Full> {
        self.ack.sender.send(&(self.payload,)).map_err(|_| Full)
    }

    fn is_library_done(&self) -> &Arc<AtomicBool> {
        &self.outbox.is_library_done
    }
}
