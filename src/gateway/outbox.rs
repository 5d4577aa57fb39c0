//! The outbox of one socket: counts what it hands to the library, which writes the frames.
use std::sync::{Arc, Weak};

use serde::Serialize;
use socketioxide::{adapter::LocalAdapter, extract::AckSender, socket::Socket};

use super::link::Link;
use crate::rooms::{CloseReason, Frame, Full, Outbox, raw};

pub(super) struct SocketOutbox {
    /// Weak: the socket owns its handlers, and they own this.
    socket: Weak<Socket<LocalAdapter>>,
    pub(super) link: Arc<Link>,
}

impl SocketOutbox {
    pub(super) fn new(socket: &Arc<Socket<LocalAdapter>>, link: Arc<Link>) -> Arc<Self> {
        let outbox = Arc::new(Self { socket: Arc::downgrade(socket), link });
        outbox.link.add(&outbox);
        outbox
    }

    /// Says why the session ends, however much is unsent. If it cannot be said any more, the end
    /// says it.
    pub(super) fn say_last(&self, frame: &Frame) {
        if let Some(socket) = self.socket.upgrade().filter(|socket| socket.connected()) {
            self.link.account_last_word(frame.size());
            socket.emit(&frame.event, frame).ok();
        }
    }

    /// Answers an event. In order with what is pushed before and after.
    pub(super) fn answer(&self, ack: AckSender, payload: &impl Serialize) {
        let payload = raw(payload);
        let sent =
            self.link.account(payload.get().len() + 4).is_ok() && ack.send(&(payload,)).is_ok();
        if !sent {
            self.close(CloseReason::SlowConsumer);
        }
    }
}

impl Outbox for SocketOutbox {
    fn push(&self, frame: &Frame) -> Result<(), Full> {
        // Who is gone is about to depart; that is no reason to end the session it was in.
        let Some(socket) = self.socket.upgrade().filter(|socket| socket.connected()) else {
            return Ok(());
        };
        self.link.account(frame.size())?;
        socket.emit(&frame.event, frame).map_err(|_| Full)
    }

    fn close(&self, reason: CloseReason) {
        self.link.close(reason);
    }
}
