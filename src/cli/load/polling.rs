//! Packets over HTTP long-polling: one connection asks and waits, another one posts.
use std::net::SocketAddr;

use mio::Token;

use super::{carrier::Speak, client::Client, http, shared::Shared, trouble::Trouble, wire::Wire};

/// Between packets in one body.
const SEPARATOR: u8 = 0x1e;

pub(super) struct Polling {
    address: SocketAddr,
    host: String,
    path: String,
    token: Token,
    sid: String,
    get: Lane,
    post: Lane,
    /// Packets that wait for the answer to an earlier POST.
    waiting: Vec<u8>,
}

/// One of the two connections. A server closes what is idle for long; then it is dialled anew.
#[derive(Default)]
struct Lane {
    wire: Option<Wire>,
    busy: bool,
}

impl Polling {
    pub(super) fn dial(
        address: SocketAddr,
        target: usize,
        shared: &Shared,
        token: Token,
    ) -> Result<Self, Trouble> {
        let target = &shared.plan.targets[target];
        let mut polling = Self {
            address,
            host: target.host.clone(),
            path: target.path.clone(),
            token,
            sid: String::new(),
            get: Lane::default(),
            post: Lane::default(),
            waiting: Vec::new(),
        };
        polling.poll(shared)?;
        Ok(polling)
    }

    pub(super) fn ready(
        &mut self,
        second: bool,
        client: &mut Client,
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        let mut scratch = std::mem::take(&mut shared.scratch);
        let outcome = self.read(second, &mut scratch, client, shared);
        shared.scratch = scratch;
        outcome
    }

    fn read(
        &mut self,
        second: bool,
        scratch: &mut [u8],
        client: &mut Client,
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        loop {
            let lane = if second { &mut self.post } else { &mut self.get };
            let busy = lane.busy;
            let Some(wire) = &mut lane.wire else { return Ok(()) };
            if !wire.is_up()? {
                return Ok(());
            }
            let length = match wire.read(scratch) {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(()),
                Err(_) if !busy => {
                    // Idle for too long: the next request dials anew.
                    if let Some(wire) = lane.wire.take() {
                        wire.close(&shared.registry);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            shared.look_at_the_clock();
            let mut bytes = wire.take_part();
            bytes.extend_from_slice(&scratch[..length]);
            self.take(second, bytes, client, shared)?;
        }
    }

    /// What has come of an answer, and the answer if it is whole.
    fn take(
        &mut self,
        second: bool,
        bytes: Vec<u8>,
        client: &mut Client,
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        let lane = if second { &mut self.post } else { &mut self.get };
        let head = http::head(&bytes)?;
        let whole = match &head {
            Some(head) => head.body(&bytes)?.map(|(body, _)| (head, body)),
            None => None,
        };
        let Some((head, body)) = whole else {
            if let Some(wire) = &mut lane.wire {
                wire.keep_part(bytes);
            }
            return Ok(());
        };
        if head.status != 200 {
            return Err(Trouble::status(head.status));
        }
        lane.busy = false;
        if head.closes
            && let Some(wire) = lane.wire.take()
        {
            wire.close(&shared.registry);
        }
        if !second {
            if self.sid.is_empty() {
                let sid = super::text::field(&body, "sid");
                self.sid = sid.ok_or(Trouble::new("not_engine_io"))?;
            }
            for packet in body.split(|byte| *byte == SEPARATOR) {
                client.packet(self, packet, shared)?;
            }
            self.poll(shared)?;
        }
        self.post_waiting(shared)
    }

    fn poll(&mut self, shared: &Shared) -> Result<(), Trouble> {
        let sid = match self.sid.as_str() {
            "" => String::new(),
            sid => format!("&sid={sid}"),
        };
        let request = format!(
            "GET {}?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\r\n",
            self.path, self.host
        );
        self.get.ask(request.as_bytes(), self.address, shared, self.token)
    }

    pub(super) fn post_waiting(&mut self, shared: &Shared) -> Result<(), Trouble> {
        if self.post.busy || self.waiting.is_empty() {
            return Ok(());
        }
        let mut request = format!(
            "POST {}?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.sid,
            self.host,
            self.waiting.len()
        )
        .into_bytes();
        request.append(&mut self.waiting);
        self.post.ask(&request, self.address, shared, Token(self.token.0 + 1))
    }

    pub(super) fn close(self, shared: &Shared) {
        for wire in [self.get.wire, self.post.wire].into_iter().flatten() {
            wire.close(&shared.registry);
        }
    }
}

impl Lane {
    fn ask(
        &mut self,
        request: &[u8],
        address: SocketAddr,
        shared: &Shared,
        token: Token,
    ) -> Result<(), Trouble> {
        self.busy = true;
        let wire = match &mut self.wire {
            Some(wire) => wire,
            none => none.insert(Wire::dial(address, &shared.registry, token)?),
        };
        Ok(wire.write(request)?)
    }
}

impl Speak for Polling {
    /// Waits until the worker comes by: several packets at once are one request.
    fn speak(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        if !self.waiting.is_empty() {
            self.waiting.push(SEPARATOR);
        }
        self.waiting.extend_from_slice(packet);
        Ok(())
    }
}
