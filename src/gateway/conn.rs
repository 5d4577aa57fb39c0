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
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use socketioxide::socket::Sid;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{door::Door, link::Link};

/// The handle of a stream; the stream itself is with whoever reads and writes it.
pub(super) struct Conn {
    pub(super) peer: SocketAddr,
    killed: AtomicBool,
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
            pauses: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            link: Mutex::new(None),
            upgrade: OnceLock::new(),
            door: Arc::downgrade(door),
        })
    }

    /// Ends the stream, whatever waits on it. The peer sees a closed connection.
    pub(super) fn kill(&self) {
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

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().as_ref().and_then(Weak::upgrade)
    }
}

/// The stream, as the HTTP server and then the protocol library see it.
pub(super) struct ConnStream {
    tcp: TcpStream,
    conn: Arc<Conn>,
}

impl ConnStream {
    pub(super) fn new(tcp: TcpStream, conn: Arc<Conn>) -> Self {
        Self { tcp, conn }
    }
}

impl Drop for ConnStream {
    /// The library leaks a session whose new stream ends before the change to it is complete;
    /// for a session that is gone the close packet does nothing.
    fn drop(&mut self) {
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
        if self.conn.pauses.load(Ordering::Acquire) > 0 {
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
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
        let result = Pin::new(&mut self.tcp).poll_write(cx, buf);
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
