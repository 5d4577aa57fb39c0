//! One accepted stream, ours under the library: it can be killed, its reading can be paused, frames
//! of ours go between the library's, and what has really been written is known.
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{future::poll_fn, task::AtomicWaker};
use parking_lot::{Mutex, MutexGuard};
use socket2::SockRef;
use socketioxide::socket::Sid;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep_until},
};

use super::{
    door::Door,
    lifesign::{LifeSign, Next, PONG},
    link::Link,
    outgoing::{Outgoing, Wrote},
};

/// The handle of a stream; the stream itself is with whoever reads and writes it.
pub(super) struct Conn {
    pub(super) peer: SocketAddr,
    killed: AtomicBool,
    /// What the peer has not taken is not left to the system to deliver.
    abruptly: AtomicBool,
    ended: AtomicBool,
    /// How many want the reading to pause.
    pauses: AtomicUsize,
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
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            drainer: AtomicWaker::new(),
            link: Mutex::new(None),
            upgrade: OnceLock::new(),
            door: Arc::downgrade(door),
        });
        let stream =
            ConnStream { tcp: read, conn: conn.clone(), life: None, alarm: None, _place: place };
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
        if self.pauses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.reader.wake();
        }
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

/// What is read at once on the way to a frame's end.
const PIECE: usize = 2 * 1024;

/// The stream, as the HTTP server and then the protocol library see it.
pub(super) struct ConnStream {
    tcp: OwnedReadHalf,
    conn: Arc<Conn>,
    /// Once it is a WebSocket.
    life: Option<LifeSign>,
    /// While reading is paused: wakes it for a sign of life.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Its place among `server.max_connections`, for as long as it lives.
    _place: OwnedSemaphorePermit,
}

impl ConnStream {
    /// Reads whatever comes.
    fn read_any(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if let Some(life) = &mut self.life {
            life.read(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads, but not past the end of the frame, because that is where a pong has to go.
    fn read_to_end(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        end: usize,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece[..end.min(buf.remaining()).min(PIECE)]);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut piece))?;
        buf.put_slice(piece.filled());
        if let Some(life) = &mut self.life {
            life.read(piece.filled());
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ConnStream {
    /// The library leaks a session whose new stream ends before the change to it is complete;
    /// for a session that is gone the close packet does nothing.
    fn drop(&mut self) {
        self.conn.ended.store(true, Ordering::Release);
        if self.conn.abruptly.load(Ordering::Acquire)
            && let Err(error) = SockRef::from(self.tcp.as_ref()).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "a connection ends more slowly than it should");
        }
        // Whoever still holds the handle does not hold the descriptor.
        self.conn.out().end();
        self.conn.drainer.wake();
        if let (Some((sid, eio3)), Some(door)) = (self.conn.upgrade.get(), self.conn.door.upgrade())
        {
            door.stream_ended(*sid, *eio3);
        }
    }
}

fn killed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by this server")
}

impl AsyncRead for ConnStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.conn.reader.register(cx.waker());
        if self.conn.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        let paused = self.conn.pauses.load(Ordering::Acquire) > 0;
        let this = self.as_mut().get_mut();
        let Some(life) = &mut this.life else {
            return if paused { Poll::Pending } else { Pin::new(&mut this.tcp).poll_read(cx, buf) };
        };
        if paused {
            life.made_to_wait();
        }
        let now = Instant::now();
        match life.next(now) {
            Next::Pong if buf.remaining() >= PONG.len() => {
                life.given(now);
                this.alarm = None;
                buf.put_slice(&PONG);
                Poll::Ready(Ok(()))
            }
            Next::ReadAtMost(most) => this.read_to_end(cx, buf, most),
            Next::Read | Next::Pong if paused => {
                let due = life.due_at();
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
                if alarm.as_mut().poll(cx).is_ready() {
                    this.alarm = None;
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Next::Read | Next::Pong => this.read_any(cx, buf),
        }
    }
}

impl AsyncWrite for ConnStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.as_mut().get_mut();
        let conn = &this.conn;
        conn.writer.register(cx.waker());
        if conn.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        let written = {
            let mut out = conn.out();
            let written = out.write_for_library(buf)?;
            conn.drain_later(&mut out);
            if this.life.is_none()
                && out.is_websocket()
                && let Some(door) = conn.door.upgrade()
            {
                this.life = Some(LifeSign::new(door.sign_of_life));
            }
            written
        };
        let Some(written) = written else { return Poll::Pending };
        if let Some(link) = conn.link() {
            link.wrote(written);
        }
        Poll::Ready(Ok(written))
    }

    /// Whoever writes here flushes only once it has nothing left of its own.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.conn.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        if let Some(link) = self.conn.link() {
            link.flushed();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(self.tcp.as_ref()).shutdown(std::net::Shutdown::Write))
    }
}
