//! The outbox of one socket: counts what it hands to the library, which writes the frames.
use std::sync::{Arc, Weak};

use serde::Serialize;
use socketioxide::{adapter::LocalAdapter, extract::AckSender, socket::Socket};

use super::{Notice, link::Link};
use crate::rooms::{CloseReason, Frame, Full, Outbox, raw};

/// When somebody who would not slow down may come back.
const COOL_DOWN_MS: u64 = 5_000;

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
        // Who is gone is about to depart; that is no reason to end the session it was in.
        let Some(socket) = self.socket.upgrade().filter(|socket| socket.connected()) else {
            return Ok(());
        };
        self.link.account(frame.size())?;
        socket.emit(&frame.event, frame).map_err(|_| Full)
    }

    fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::SlowConsumer => self.link.close(reason),
            // A drain has said when to come back, and a refusal is its own last word.
            CloseReason::Draining | CloseReason::Refused => self.link.close_after_last_word(reason),
            CloseReason::TooLarge | CloseReason::RateLimited => {
                let after_ms = if reason == CloseReason::RateLimited { COOL_DOWN_MS } else { 0 };
                // If it cannot be said any more, the end says it.
                self.push(&Notice::closing(reason, after_ms)).ok();
                self.link.close_after_last_word(reason);
            }
        }
    }
}
