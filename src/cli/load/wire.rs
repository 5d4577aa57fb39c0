//! A TCP connection that never blocks: what could not be written waits, what came in part is kept.
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

pub(super) struct Wire {
    stream: TcpStream,
    up: bool,
    /// What has come of something whose rest has not.
    part: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

impl Wire {
    pub(super) fn dial(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, up: false, part: Vec::new(), unsent: Vec::new(), sent: 0 })
    }

    /// Whether the connection stands; an error if it never will. What waits is written then.
    pub(super) fn is_up(&mut self) -> io::Result<bool> {
        if self.up {
            self.flush()?;
            return Ok(true);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.stream.set_nodelay(true)?;
                self.up = true;
                self.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => return Err(error),
        }
        Ok(self.up)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.up || self.sent < self.unsent.len() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let written = write_some(&mut self.stream, bytes)?;
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            let written = write_some(&mut self.stream, &self.unsent[self.sent..])?;
            if written == 0 {
                return Ok(());
            }
            self.sent += written;
        }
        if self.sent > 0 {
            self.unsent = Vec::new();
            self.sent = 0;
        }
        Ok(())
    }

    /// Reads once; `None`: nothing there for now.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            return match self.stream.read(into) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Takes what was kept of before.
    pub(super) fn take_part(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.part)
    }

    /// Keeps what its rest is waited for. Thousands of connections would otherwise hold on to what
    /// one large frame once needed, so nothing is kept of an empty buffer.
    pub(super) fn keep_part(&mut self, part: Vec<u8>) {
        self.part = if part.is_empty() { Vec::new() } else { part };
    }

    pub(super) fn close(mut self, registry: &Registry) {
        // It is gone either way.
        let _ = registry.deregister(&mut self.stream);
    }
}

fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
