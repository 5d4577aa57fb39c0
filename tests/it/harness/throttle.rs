//! A link as slow as the test wants it: the system takes in little, and it is read at a given rate.
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// As small as the system allows.
const WINDOW: u32 = 2_048;
/// How often a slow reader reads.
const TICK: Duration = Duration::from_millis(100);

/// How fast a user reads; shared with its link.
#[derive(Clone, Default)]
pub(super) struct Rate(Arc<Mutex<State>>);

struct State {
    /// Bytes a second; none: as fast as they come.
    rate: Option<usize>,
    /// Cancelled at each change, so that who waits looks again.
    changed: CancellationToken,
}

impl Default for State {
    fn default() -> Self {
        Self { rate: None, changed: CancellationToken::new() }
    }
}

impl Rate {
    pub(super) fn set(&self, rate: Option<usize>) {
        let mut state = self.0.lock();
        state.rate = rate;
        std::mem::take(&mut state.changed).cancel();
    }

    fn get(&self) -> (Option<usize>, CancellationToken) {
        let state = self.0.lock();
        (state.rate, state.changed.clone())
    }
}

/// A connection that is read at a [`Rate`].
pub(super) struct Throttle {
    tcp: TcpStream,
    rate: Rate,
    ticks: Interval,
    /// What may be read before the next tick.
    allowed: usize,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Throttle {
    pub(super) async fn connect(to: SocketAddr, rate: Rate, is_narrow: bool) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if is_narrow {
            socket.set_recv_buffer_size(WINDOW)?;
        }
        let tcp = socket.connect(to).await?;
        tcp.set_nodelay(true)?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { tcp, rate, ticks, allowed: 0, waiting: None })
    }

    /// How much may be read now; none: as much as there is.
    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        loop {
            let (rate, changed) = self.rate.get();
            let Some(rate) = rate else { return Poll::Ready(None) };
            if self.allowed > 0 {
                return Poll::Ready(Some(self.allowed));
            }
            if rate > 0 && self.ticks.poll_tick(cx).is_ready() {
                self.allowed = (rate / 10).max(1);
                continue;
            }
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(changed.cancelled_owned()));
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
    }
}

impl AsyncRead for Throttle {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(most) = ready!(this.poll_allowed(cx)) else {
            return Pin::new(&mut this.tcp).poll_read(cx, buf);
        };
        let mut piece = vec![0; most.min(buf.remaining())];
        let mut read = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        this.allowed -= read.filled().len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Throttle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
