//! The transport under a connection: WebSocket or long-polling, the same packets on either.
use std::net::SocketAddr;

use mio::Token;

use super::{
    client::Client, polling::Polling, shared::Shared, trouble::Trouble, websocket::WebSocket,
};

pub(super) enum Carrier {
    WebSocket(WebSocket),
    Polling(Box<Polling>),
}

/// Says one packet.
pub(super) trait Speak {
    fn speak(&mut self, packet: &[u8]) -> Result<(), Trouble>;
}

impl Carrier {
    /// `token`: its first socket's; a second one has the next.
    pub(super) fn dial(
        polling: bool,
        address: SocketAddr,
        target: usize,
        shared: &Shared,
        token: Token,
    ) -> Result<Self, Trouble> {
        Ok(if polling {
            Self::Polling(Box::new(Polling::dial(address, target, shared, token)?))
        } else {
            Self::WebSocket(WebSocket::dial(address, target, shared, token)?)
        })
    }

    /// A socket has something to say, or can be written again. Reads at most `most` times.
    pub(super) fn ready(
        &mut self,
        second: bool,
        client: &mut Client,
        shared: &mut Shared,
        most: usize,
    ) -> Result<(), Trouble> {
        match self {
            Self::WebSocket(socket) => socket.ready(client, shared, most),
            Self::Polling(polling) => polling.ready(second, client, shared),
        }
    }

    /// Sends on what was said since.
    pub(super) fn flush(&mut self, shared: &Shared) -> Result<(), Trouble> {
        match self {
            Self::WebSocket(_) => Ok(()),
            Self::Polling(polling) => polling.post_waiting(shared),
        }
    }

    pub(super) fn close(self, shared: &Shared) {
        match self {
            Self::WebSocket(socket) => socket.close(shared),
            Self::Polling(polling) => polling.close(shared),
        }
    }
}

impl Speak for Carrier {
    fn speak(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        match self {
            Self::WebSocket(socket) => socket.speak(packet),
            Self::Polling(polling) => polling.speak(packet),
        }
    }
}
