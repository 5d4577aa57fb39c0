//! The stream itself, as whoever reads and writes it sees it: what arrives is followed and counted.
use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::tcp::OwnedReadHalf,
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep_until},
};

use super::Conn;
use crate::gateway::{
    head::Head,
    lifesign::{LifeSign, Next, PONG},
    meter::Meter,
};

/// What is read at once on the way to a frame's end.
const PIECE: usize = 2 * 1024;

/// What is known of what arrives, once it is a WebSocket.
struct Heard {
    meter: Meter,
    life: LifeSign,
}

/// The stream, as the HTTP server and then the protocol library see it.
pub(in crate::gateway) struct ConnStream {
    tcp: OwnedReadHalf,
    conn: Arc<Conn>,
    /// Until it is a WebSocket.
    head: Head,
    heard: Option<Heard>,
    /// While reading is paused: wakes it for a sign of life.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Its place among `server.max_connections`, for as long as it lives.
    _place: OwnedSemaphorePermit,
}

impl ConnStream {
    pub(super) fn new(tcp: OwnedReadHalf, conn: Arc<Conn>, place: OwnedSemaphorePermit) -> Self {
        Self { tcp, conn, head: Head::default(), heard: None, alarm: None, _place: place }
    }

    /// Reads whatever comes.
    fn read_any(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.follow(&buf.filled()[before..], now);
        Poll::Ready(Ok(()))
    }

    /// Reads, but not past the end of the frame, because that is where a pong has to go.
    fn read_to_end(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        (end, now): (usize, Instant),
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece[..end.min(buf.remaining()).min(PIECE)]);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut piece))?;
        buf.put_slice(piece.filled());
        self.follow(piece.filled(), now);
        Poll::Ready(Ok(()))
    }

    /// This has arrived.
    fn follow(&mut self, bytes: &[u8], now: Instant) {
        let Some(Heard { meter, .. }) = &mut self.heard else { return self.head.read(bytes) };
        let read = meter.read(bytes, now);
        self.conn.unfinished.set(meter.unfinished_since());
        if read.is_err() {
            self.conn.sends_too_many();
        }
    }

    /// It has become a WebSocket. Whoever spoke before that was said is not understood: where its
    /// frames begin is not known.
    fn is_websocket_now(&mut self) -> io::Result<()> {
        let door = self.conn.door.upgrade();
        if !self.head.is_all() {
            if let Some(door) = door {
                door.count_refused("early");
            }
            self.conn.kill(false);
            return Err(killed());
        }
        if let Some(door) = door {
            let meter = Meter::new(door.idle_frames(), Instant::now());
            self.heard = Some(Heard { meter, life: LifeSign::new(door.sign_of_life) });
        }
        Ok(())
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
        let now = Instant::now();
        let Some(Heard { meter, life }) = &mut this.heard else {
            return if paused { Poll::Pending } else { this.read_any(cx, buf, now) };
        };
        if paused {
            life.made_to_wait();
        }
        match life.next(meter.frames(), now) {
            Next::Pong if buf.remaining() >= PONG.len() => {
                life.given(now);
                this.alarm = None;
                buf.put_slice(&PONG);
                Poll::Ready(Ok(()))
            }
            Next::ReadAtMost(most) => this.read_to_end(cx, buf, (most, now)),
            Next::Read | Next::Pong if paused => {
                let due = life.due_at();
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
                if alarm.as_mut().poll(cx).is_ready() {
                    this.alarm = None;
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Next::Read | Next::Pong => this.read_any(cx, buf, now),
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
        let (written, is_websocket) = {
            let mut out = conn.out();
            let written = out.write_for_library(buf)?;
            conn.drain_later(&mut out);
            (written, out.is_websocket())
        };
        if this.heard.is_none() {
            if is_websocket {
                this.is_websocket_now()?;
            } else {
                this.head.answered();
            }
        }
        let Some(written) = written else { return Poll::Pending };
        if let Some(link) = this.conn.link() {
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
