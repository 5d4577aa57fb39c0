//! Packets over WebSocket: one text frame each.
use std::net::SocketAddr;

use mio::Token;

use super::{
    carrier::Speak,
    client::Client,
    frame::{self, Kind},
    http,
    shared::Shared,
    trouble::Trouble,
    wire::Wire,
};

pub(super) struct WebSocket {
    wire: Wire,
    /// Whether the server has changed to WebSocket.
    upgraded: bool,
    /// The beginning of a message that comes in several frames.
    begun: Vec<u8>,
}

impl WebSocket {
    pub(super) fn dial(
        address: SocketAddr,
        target: usize,
        shared: &Shared,
        token: Token,
    ) -> Result<Self, Trouble> {
        let mut wire = Wire::dial(address, &shared.registry, token)?;
        let target = &shared.plan.targets[target];
        let request = format!(
            "GET {}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: aHViYnViLWxvYWQtMDAwMQ==\r\n\r\n",
            target.path, target.host
        );
        wire.write(request.as_bytes())?;
        Ok(Self { wire, upgraded: false, begun: Vec::new() })
    }

    pub(super) fn ready(
        &mut self,
        client: &mut Client,
        shared: &mut Shared,
        most: usize,
    ) -> Result<(), Trouble> {
        if !self.wire.is_up()? {
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut shared.scratch);
        let outcome = self.read(&mut scratch, client, shared, most);
        shared.scratch = scratch;
        outcome
    }

    fn read(
        &mut self,
        scratch: &mut [u8],
        client: &mut Client,
        shared: &mut Shared,
        most: usize,
    ) -> Result<(), Trouble> {
        for _ in 0..most {
            let Some(length) = self.wire.read(scratch)? else { return Ok(()) };
            shared.look_at_the_clock();
            let mut part = self.wire.take_part();
            if part.is_empty() {
                let used = self.take(&scratch[..length], client, shared)?;
                part.extend_from_slice(&scratch[used..length]);
            } else {
                part.extend_from_slice(&scratch[..length]);
                let used = self.take(&part, client, shared)?;
                part.drain(..used);
            }
            self.wire.keep_part(part);
            // After a read that did not fill its buffer, the next bytes are a new event.
            if length < scratch.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes all whole frames; says how many bytes those were.
    fn take(
        &mut self,
        bytes: &[u8],
        client: &mut Client,
        shared: &mut Shared,
    ) -> Result<usize, Trouble> {
        let mut at = 0;
        if !self.upgraded {
            let Some(head) = http::head(bytes)? else { return Ok(0) };
            if head.status != 101 {
                return Err(Trouble::status(head.status));
            }
            self.upgraded = true;
            at = head.end;
        }
        while let Some(frame) =
            frame::read(bytes, at).map_err(|frame::NotAFrame| Trouble::new("not_websocket"))?
        {
            at = frame.body.end;
            let body = &bytes[frame.body];
            match frame.kind {
                Kind::Text if frame.last => {
                    client.packet(self, body, shared)?;
                }
                Kind::Text | Kind::Continuation => {
                    self.begun.extend_from_slice(body);
                    if frame.last {
                        let whole = std::mem::take(&mut self.begun);
                        client.packet(self, &whole, shared)?;
                    }
                }
                Kind::Ping => self.write(Kind::Pong, body)?,
                Kind::Close => return Err(Trouble::closed(body)),
                // Attachments carry no marks.
                Kind::Binary | Kind::Pong => {}
            }
        }
        Ok(at)
    }

    fn write(&mut self, kind: Kind, body: &[u8]) -> Result<(), Trouble> {
        let mut out = Vec::with_capacity(body.len() + 14);
        frame::write(kind, body, &mut out);
        Ok(self.wire.write(&out)?)
    }

    pub(super) fn close(self, shared: &Shared) {
        self.wire.close(&shared.registry);
    }
}

impl Speak for WebSocket {
    fn speak(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        self.write(Kind::Text, packet)
    }
}
