//! What leaves on one stream by two writers: the protocol library, and ourselves with whole frames.
//!
//! The library wakes a task and copies each frame twice for every recipient; what goes to many we
//! frame once and write straight to the stream, between two of its frames. Neither ever writes
//! inside a frame of the other. What the peer does not take waits here, counted.
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use tokio::net::{TcpStream, tcp::OwnedWriteHalf};

use super::{
    backlog::Backlog,
    frames::{Frames, Met},
};

/// Frames handed to the system by one call.
const AT_ONCE: usize = 32;
/// How the answer begins after which a stream is a WebSocket.
const SWITCHING: &[u8] = b"HTTP/1.1 101";

/// A text, recognised when it comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    length: u64,
    sum: u32,
}

/// One who handed a text to the library and waits until it is out, and all before it.
struct Awaiting {
    mark: Mark,
    is_out: Arc<AtomicBool>,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is about another of those who write")]
pub(super) struct Outgoing {
    tcp: Option<OwnedWriteHalf>,
    /// Bytes of the last HTTP answer still to come.
    head: usize,
    /// The library's frames, once it is a WebSocket.
    frames: Option<Frames>,
    awaiting: Vec<Awaiting>,
    passing: crc32fast::Hasher,
    passed: u64,
    /// Ours that wait; the first may be written in part.
    queue: VecDeque<Bytes>,
    begun: bool,
    backlog: Backlog,
    is_shut: bool,
    /// The library waits until it can write.
    library_waits: bool,
    /// Somebody waits until the peer takes more.
    pub(super) is_drained: bool,
}

/// What a write of ours came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    All,
    /// The rest waits.
    Some,
}

impl Outgoing {
    pub(super) fn new(tcp: OwnedWriteHalf) -> Self {
        Self { tcp: Some(tcp), ..Self::default() }
    }

    pub(super) fn tcp(&self) -> io::Result<&TcpStream> {
        self.tcp.as_ref().map(AsRef::as_ref).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The stream is given up, and what waits with it.
    pub(super) fn end(&mut self) {
        if let Some(tcp) = self.tcp.take() {
            tcp.forget();
        }
        self.queue.clear();
        self.awaiting.clear();
    }

    pub(super) fn is_websocket(&self) -> bool {
        self.frames.is_some()
    }

    /// Bytes of ours that the system has not taken, and how long the oldest of them waits.
    pub(super) fn unsent(&self, now: Instant) -> (u64, Duration) {
        (self.backlog.unsent(), self.backlog.age(now))
    }

    pub(super) fn wants_to_write(&self) -> bool {
        self.library_waits || !self.queue.is_empty()
    }

    fn is_between(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::is_between)
    }

    /// From when this text has been written, `is_out` says so. It is to be handed to the library
    /// while this is still locked.
    pub(super) fn watch_for(&mut self, text: &[u8], is_out: &Arc<AtomicBool>) {
        let mark = Mark { length: text.len() as u64, sum: crc32fast::hash(text) };
        self.awaiting.retain(|one| !Arc::ptr_eq(&one.is_out, is_out));
        self.awaiting.push(Awaiting { mark, is_out: is_out.clone() });
    }

    /// Nothing new is said from now on.
    pub(super) fn shut(&mut self) {
        self.is_shut = true;
    }

    /// Whether something new may be said without asking how much is unsent.
    pub(super) fn is_open_and_idle(&self) -> bool {
        !self.is_shut && self.queue.is_empty()
    }

    /// Writes whole frames of ours, or keeps what the peer does not take.
    pub(super) fn push(&mut self, frames: &Bytes) -> io::Result<Wrote> {
        let mut written = 0;
        if self.queue.is_empty() && self.is_between() {
            match self.tcp()?.try_write(frames) {
                Ok(all) if all == frames.len() => return Ok(Wrote::All),
                Ok(some) => written = some,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            self.begun = written > 0;
        }
        let rest = frames.slice(written..);
        self.backlog.push(rest.len(), Instant::now());
        self.queue.push_back(rest);
        Ok(Wrote::Some)
    }

    /// Writes what waits, as far as the peer takes it. `true`: nothing of ours waits any more.
    pub(super) fn pump(&mut self) -> io::Result<bool> {
        while !self.queue.is_empty() && (self.begun || self.is_between()) {
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            for (slice, frame) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(frame);
            }
            let used = self.queue.len().min(AT_ONCE);
            match self.tcp()?.try_write_vectored(&slices[..used]) {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(self.queue.is_empty())
    }

    fn advance(&mut self, mut written: usize) {
        self.backlog.wrote(written);
        while let Some(front) = self.queue.front_mut() {
            if written < front.len() {
                self.begun |= written > 0;
                front.advance(written);
                return;
            }
            written -= front.len();
            self.begun = false;
            self.queue.pop_front();
        }
    }

    /// Writes a last frame, if it can go out as a whole here and now.
    pub(super) fn part(&self, frame: &[u8]) {
        if self.queue.is_empty()
            && self.is_between()
            && let Ok(tcp) = self.tcp()
        {
            tcp.try_write(frame).ok();
        }
    }

    /// The library's turn; `None`: not now, it is to be woken later.
    pub(super) fn write_for_library(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if self.begun {
            self.pump()?;
        }
        if !self.begun {
            match self.tcp()?.try_write(bytes) {
                Ok(written) => {
                    self.follow(bytes, written);
                    self.pump()?;
                    return Ok(Some(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.library_waits = true;
        Ok(None)
    }

    /// Whether the library waited; it does not any more.
    pub(super) fn take_library_waits(&mut self) -> bool {
        std::mem::take(&mut self.library_waits)
    }

    /// The library wrote the first of these bytes.
    fn follow(&mut self, bytes: &[u8], written: usize) {
        let mut now = &bytes[..written];
        if self.head > 0 {
            let head = self.head.min(now.len());
            self.head -= head;
            now = &now[head..];
        } else if self.frames.is_none() && bytes.starts_with(SWITCHING) {
            self.frames = Some(Frames::default());
            self.head = bytes.len() - written;
            return;
        }
        let Some(frames) = &mut self.frames else { return };
        if self.awaiting.is_empty() {
            frames.follow(now, |_| ());
            return;
        }
        let Self { awaiting, passing, passed, .. } = self;
        frames.follow(now, |met| match met {
            Met::Payload(piece) => {
                passing.update(piece);
                *passed += piece.len() as u64;
            }
            Met::Header(_) => {}
            Met::End { .. } => {
                let mark = Mark { length: *passed, sum: std::mem::take(passing).finalize() };
                *passed = 0;
                awaiting.retain(|one| {
                    let is_this = one.mark == mark;
                    if is_this {
                        one.is_out.store(true, Ordering::Release);
                    }
                    !is_this
                });
            }
        });
    }
}
