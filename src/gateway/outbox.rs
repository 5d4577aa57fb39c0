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
    pub(super) fn new(socket: &Arc<Socket<LocalAdapter>>, link: Arc<Link>) -> Self {
        Self { socket: Arc::downgrade(socket), link }
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
        let Some(socket) = self.socket.upgrade() else { return Err(Full) };
        self.link.account(frame.size())?;
        socket.emit(&frame.event, frame).map_err(|_| Full)
    }

    fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::SlowConsumer => self.link.close(reason),
            CloseReason::Draining | CloseReason::TooLarge | CloseReason::Refused => {
                self.link.close_after_last_word(reason);
            }
        }
    }
}
