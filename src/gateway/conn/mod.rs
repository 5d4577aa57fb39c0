//! One accepted stream, ours under the library: it can be killed, its reading can be paused, frames
//! of ours go between the library's, and what has really been written is known.
mod stream;

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{future::poll_fn, task::AtomicWaker};
use parking_lot::{Mutex, MutexGuard};
use socketioxide::socket::Sid;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

pub(super) use self::stream::ConnStream;
use super::{
    door::Door,
    link::Link,
    meter::Unfinished,
    outgoing::{Outgoing, Wrote},
};
use crate::rooms::CloseReason;

/// The handle of a stream; the stream itself is with whoever reads and writes it.
pub(super) struct Conn {
    pub(super) peer: SocketAddr,
    killed: AtomicBool,
    /// What the peer has not taken is not left to the system to deliver.
    abruptly: AtomicBool,
    ended: AtomicBool,
    /// How many want the reading to pause.
    pauses: AtomicUsize,
    unfinished: Unfinished,
    reader: AtomicWaker,
    /// The library's writer, while it waits.
    writer: AtomicWaker,
    /// Who waits until the peer takes more.
    drainer: AtomicWaker,
    out: Mutex<Outgoing>,
    /// Whom to tell what was written, once it is a WebSocket.
    link: Mutex<Option<Weak<Link>>>,
    /// The session this stream was opened to take over from polling, and its protocol.
    upgrade: OnceLock<(Sid, bool)>,
    door: Weak<Door>,
}

impl Conn {
    /// The handle, and the stream itself.
    pub(super) fn open(
        tcp: TcpStream,
        peer: SocketAddr,
        door: &Arc<Door>,
        place: OwnedSemaphorePermit,
    ) -> (Arc<Self>, ConnStream) {
        let (read, write) = tcp.into_split();
        let conn = Arc::new(Self {
            peer,
            out: Mutex::new(Outgoing::new(write)),
            killed: AtomicBool::new(false),
            abruptly: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            pauses: AtomicUsize::new(0),
            unfinished: Unfinished::new(Instant::now()),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            drainer: AtomicWaker::new(),
            link: Mutex::new(None),
            upgrade: OnceLock::new(),
            door: Arc::downgrade(door),
        });
        let stream = ConnStream::new(read, conn.clone(), place);
        (conn, stream)
    }

    /// Ends the stream, whatever waits on it. The peer sees a closed connection; `abruptly`, it
    /// sees that before it has read what the system holds for it, which may be megabytes.
    pub(super) fn kill(&self, abruptly: bool) {
        self.abruptly.fetch_or(abruptly, Ordering::AcqRel);
        self.killed.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
        self.drainer.wake();
    }

    /// What leaves on it; see there.
    pub(super) fn out(&self) -> MutexGuard<'_, Outgoing> {
        self.out.lock()
    }

    /// Writes whole frames between the library's, or keeps them until the peer takes them.
    pub(super) fn push(self: &Arc<Self>, out: &mut Outgoing, frames: &Bytes) {
        match out.push(frames) {
            Ok(Wrote::All) => {}
            Ok(Wrote::Some) => self.drain_later(out),
            // Its reader sees what is wrong, and ends it.
            Err(_) => self.kill(false),
        }
    }

    /// Sees to it that what waits is written when the peer takes it.
    fn drain_later(self: &Arc<Self>, out: &mut Outgoing) {
        if out.is_drained || !out.wants_to_write() {
            return;
        }
        if let Some(door) = self.door.upgrade() {
            out.is_drained = true;
            let conn = self.clone();
            door.lifecycle.spawn(async move { poll_fn(|cx| conn.poll_drain(cx)).await });
        }
    }

    fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.drainer.register(cx.waker());
        loop {
            let mut out = self.out();
            if self.is_killed() || !out.wants_to_write() {
                out.is_drained = false;
                return Poll::Ready(());
            }
            let written = match out.tcp().and_then(|tcp| match tcp.poll_write_ready(cx) {
                Poll::Ready(ready) => ready.map(|()| true),
                Poll::Pending => Ok(false),
            }) {
                Ok(false) => return Poll::Pending,
                Ok(true) => out.pump(),
                Err(error) => Err(error),
            };
            let library_waits = out.take_library_waits();
            drop(out);
            if library_waits {
                self.writer.wake();
            }
            match written {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(link) = self.link() {
                        link.has_written();
                    }
                }
                Err(_) => self.kill(false),
            }
        }
    }

    pub(super) fn pause(&self) {
        self.pauses.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn resume(&self) {
        self.resume_at(Instant::now());
    }

    fn resume_at(&self, now: Instant) {
        // Before somebody sees that the pause is over.
        self.unfinished.begins_anew(now);
        if self.pauses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.reader.wake();
        }
    }

    /// Whether a message has been on its way for longer than this. While nothing is read, that is not
    /// its sender's fault.
    pub(super) fn is_unfinished_for(&self, within: Duration, now: Instant) -> bool {
        self.pauses.load(Ordering::Acquire) == 0 && self.unfinished.is_older_than(within, now)
    }

    /// Its client has sent too many frames of too little.
    fn sends_too_many(&self) {
        if let Some(link) = self.link() {
            link.close(CloseReason::RateLimited);
            return;
        }
        if let Some(door) = self.door.upgrade() {
            door.count_close(CloseReason::RateLimited);
        }
        self.kill(false);
    }

    pub(super) fn report_to(&self, link: &Arc<Link>) {
        *self.link.lock() = Some(Arc::downgrade(link));
    }

    /// It was opened to take over this session.
    pub(super) fn takes_over(&self, sid: Sid, eio3: bool) {
        self.upgrade.set((sid, eio3)).ok();
    }

    /// Whether the stream is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().as_ref().and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, sync::Semaphore};

    use super::*;
    use crate::{config::Config, lifecycle::Lifecycle, telemetry::metrics::Metrics};

    #[tokio::test]
    async fn a_message_that_is_not_read_does_not_grow_old() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (door, _ending) = Door::new(&Config::built_in(), Lifecycle::default(), Metrics::none());
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let peer = tcp.local_addr().unwrap();
        let (conn, _stream) = Conn::open(tcp, peer, &door, place);
        let (began, minute) = (Instant::now(), Duration::from_mins(1));

        conn.unfinished.set(Some(began));
        assert!(conn.is_unfinished_for(minute, began + minute * 2));
        conn.pause();
        assert!(!conn.is_unfinished_for(minute, began + minute * 2));
        conn.resume_at(began + minute * 2);

        assert!(!conn.is_unfinished_for(minute, began + minute * 3));
        assert!(conn.is_unfinished_for(minute, began + minute * 4));
    }
}
