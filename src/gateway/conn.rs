//! One accepted stream, ours under the library: it can be killed, its reading can be paused, and
//! what has really been written is known. The library offers none of these.
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

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use socket2::SockRef;
use socketioxide::socket::Sid;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep, sleep_until},
};

use super::{
    door::Door,
    lifesign::{LifeSign, Next, PONG},
    link::Link,
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
    writer: AtomicWaker,
    /// Whom to tell what was written, once it is a WebSocket.
    link: Mutex<Option<Weak<Link>>>,
    /// The session this stream was opened to take over from polling, and its protocol.
    upgrade: OnceLock<(Sid, bool)>,
    door: Weak<Door>,
}

impl Conn {
    pub(super) fn new(peer: SocketAddr, door: &Arc<Door>) -> Arc<Self> {
        Arc::new(Self {
            peer,
            killed: AtomicBool::new(false),
            abruptly: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            pauses: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            link: Mutex::new(None),
            upgrade: OnceLock::new(),
            door: Arc::downgrade(door),
        })
    }

    /// Ends the stream, whatever waits on it. The peer sees a closed connection; `abruptly`, it
    /// sees that before it has read what the system holds for it, which may be megabytes.
    pub(super) fn kill(&self, abruptly: bool) {
        self.abruptly.fetch_or(abruptly, Ordering::AcqRel);
        self.killed.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
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
    tcp: TcpStream,
    conn: Arc<Conn>,
    /// Once it is a WebSocket.
    life: Option<LifeSign>,
    /// While the peer of an HTTP answer takes nothing of it: when that has lasted too long.
    stuck: Option<Pin<Box<Sleep>>>,
    /// While reading is paused: wakes it for a sign of life.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Its place among `server.max_connections`, for as long as it lives.
    _place: OwnedSemaphorePermit,
}

impl ConnStream {
    pub(super) fn new(tcp: TcpStream, conn: Arc<Conn>, place: OwnedSemaphorePermit) -> Self {
        Self { tcp, conn, life: None, stuck: None, alarm: None, _place: place }
    }

    /// The answer that makes it a WebSocket is the last of HTTP; frames follow, both ways.
    fn look_for_upgrade(&mut self, written: &[u8]) {
        if self.life.is_none()
            && written.starts_with(b"HTTP/1.1 101")
            && let Some(door) = self.conn.door.upgrade()
        {
            self.life = Some(LifeSign::new(door.sign_of_life));
        }
    }

    /// Whether the peer has taken nothing of an answer for as long as anything may be unsent. On
    /// a WebSocket the link knows better.
    fn is_stuck(&mut self, cx: &mut Context<'_>, is_pending: bool) -> bool {
        if !is_pending {
            self.stuck = None;
            return false;
        }
        let Some(door) = self.conn.door.upgrade() else { return false };
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(door.unsent_age())));
        stuck.as_mut().poll(cx).is_ready()
    }

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
            && let Err(error) = SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, "a connection ends more slowly than it should");
        }
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
        self.conn.writer.register(cx.waker());
        if self.conn.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        self.look_for_upgrade(buf);
        let result = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if self.life.is_none() && self.is_stuck(cx, result.is_pending()) {
            self.conn.kill(true);
            return Poll::Ready(Err(killed()));
        }
        if let (Poll::Ready(Ok(written)), Some(link)) = (&result, self.conn.link()) {
            link.wrote(*written);
        }
        result
    }

    /// Whoever writes here flushes only once it has nothing left of its own.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.conn.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        if let Some(link) = self.conn.link() {
            link.flushed();
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
