//! A TCP proxy that fails on command: between a client and a node, a node and Redis, a node and a
//! sentinel. What cannot be had from the kernel without root is done here, the same everywhere.
mod pump;
mod resp;
pub(crate) mod trials;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::resp::Frames;
use crate::{common::beside, ports::free_port};

/// What a proxy does to what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Pass,
    /// Nothing goes through, either way, not even the end of a connection. What has come is kept
    /// and goes on once healed, as TCP would have sent it again.
    Blackhole,
    /// New connections are refused, as if nobody listened; open ones go on.
    Refuse,
    /// Open connections are reset, and so is each new one.
    Reset,
    /// As `Blackhole`, but only this way.
    HalfOpen(Way),
    /// Late by so much, more or less, and in order.
    Delay {
        by: Duration,
        jitter: Duration,
    },
    /// Of a hundred pieces so many are lost, and come again after this time, and after twice it if
    /// they are lost again, with all that follows behind them: a lost packet as TCP shows it.
    Loss {
        of_hundred: u32,
        again: Duration,
    },
    /// So many bytes a second, each way.
    Rate(u32),
    /// Each such reply of Redis is lost, whole; what is pushed does not count. With `cut`, its
    /// connection is lost with it: all that TCP allows. Without it, every later reply of that
    /// connection answers the wrong command, which no network does.
    LoseReply {
        every: u64,
        cut: bool,
    },
    /// A connection is reset once so many more bytes have gone down it.
    CutAfter(u64),
    /// One bit of the next chunk this way is turned over; then as `Pass`.
    Corrupt(Way),
}

impl Verb {
    fn holds(self, way: Way) -> bool {
        self == Self::Blackhole || self == Self::HalfOpen(way)
    }
}

/// Up is towards the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// What is spoken through it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Speech {
    #[default]
    Bytes,
    /// Redis' protocol. Where a reply tells where a server is, its port is exchanged for another,
    /// so that whoever asks is led through the right proxy.
    Redis { instead: Vec<(u16, u16)> },
}

/// How much lies in it at most, each way.
#[derive(Debug, Clone, Copy)]
struct Width {
    chunk: usize,
    chunks: usize,
    /// The window towards the server; none: the system's own.
    window: Option<u32>,
}

const WIDE: Width = Width { chunk: 16 << 10, chunks: 64, window: None };
/// So little that a reader who stalls is soon felt at the other end.
const NARROW: Width = Width { chunk: 512, chunks: 4, window: Some(4 << 10) };

/// As quick as any, and yet so little that a reader who stands still is felt within megabytes.
const BOUNDED: Width = Width { chunk: 16 << 10, chunks: 8, window: Some(128 << 10) };

/// How a proxy is made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    to: Vec<SocketAddr>,
    /// Where it listens, if that was known before.
    port: Option<u16>,
    speech: Speech,
    width: Width,
    seed: u64,
}

impl Plan {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Self::between(vec![server])
    }

    /// A balancer: each connection goes to the next server that takes it.
    pub(crate) fn between(servers: Vec<SocketAddr>) -> Self {
        Self { to: servers, port: None, speech: Speech::default(), width: WIDE, seed: 0 }
    }

    /// Listens at this port, of [`free_port`].
    pub(crate) fn at(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    pub(crate) fn speaking(self, speech: Speech) -> Self {
        Self { speech, ..self }
    }

    pub(crate) fn narrow(self) -> Self {
        Self { width: NARROW, ..self }
    }

    pub(crate) fn bounded(self) -> Self {
        Self { width: BOUNDED, ..self }
    }

    pub(crate) fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    pub(crate) fn open(self) -> Proxy {
        Proxy::open(self)
    }
}

/// Dropped, it closes everything.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    closing: CancellationToken,
}

struct Shared {
    plan: Plan,
    at: SocketAddr,
    verb: watch::Sender<Verb>,
    /// Raised to reset what is open now.
    cuts: watch::Sender<u64>,
    arrived: [AtomicU64; 2],
    passed: [AtomicU64; 2],
    replies: AtomicU64,
    lost: AtomicU64,
    open: AtomicUsize,
    accepted: AtomicU64,
    wanted: Mutex<Vec<Wanted>>,
}

/// Somebody waits for these bytes.
struct Wanted {
    way: Way,
    bytes: Vec<u8>,
    seen: oneshot::Sender<()>,
}

impl Proxy {
    fn open(plan: Plan) -> Self {
        let port = plan.port.unwrap_or_else(free_port);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let shared = Arc::new(Shared {
            plan,
            at,
            verb: watch::Sender::new(Verb::Pass),
            cuts: watch::Sender::new(0),
            arrived: Default::default(),
            passed: Default::default(),
            replies: AtomicU64::default(),
            lost: AtomicU64::default(),
            open: AtomicUsize::default(),
            accepted: AtomicU64::default(),
            wanted: Mutex::default(),
        });
        let closing = CancellationToken::new();
        let listener = listen(at).unwrap_or_else(|e| panic!("a proxy cannot listen at {at}: {e}"));
        let (until, accepting) = (closing.clone(), shared.clone());
        beside(async move { until.run_until_cancelled(accept(accepting, listener)).await });
        Self { shared, closing }
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        self.shared.at
    }

    /// What happens from now on.
    pub(crate) fn set(&self, verb: Verb) {
        self.shared.verb.send_replace(verb);
    }

    pub(crate) fn heal(&self) {
        self.set(Verb::Pass);
    }

    /// Resets whatever is open now, and nothing later.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Bytes that have come from this side, gone on or not.
    pub(crate) fn arrived(&self, way: Way) -> u64 {
        self.shared.arrived[way as usize].load(Relaxed)
    }

    /// Bytes that have gone on.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Relaxed)
    }

    /// Replies that were lost on purpose.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open_now(&self) -> usize {
        self.shared.open.load(Relaxed)
    }

    /// Connections that ever were.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// Waits until these bytes have come, on any connection; begin before they can.
    pub(crate) fn sees(&self, way: Way, bytes: &[u8]) -> impl Future<Output = ()> + use<> {
        assert!((1..=pump::LONGEST_WANTED).contains(&bytes.len()), "{} bytes", bytes.len());
        let (seen, coming) = oneshot::channel();
        self.shared.wanted.lock().push(Wanted { way, bytes: bytes.to_vec(), seen });
        async move { coming.await.expect("the proxy is there as long as it is waited for") }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(1024)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut verb = shared.verb.subscribe();
    let mut listener = Some(listener);
    // Dropped with this task, and all connections with it.
    let closing = CancellationToken::new();
    let _with_us = closing.clone().drop_guard();
    loop {
        if *verb.borrow_and_update() == Verb::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(shared.at).expect("the port it had before"));
        }
        let taken = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let client = tokio::select! {
            taken = taken => taken,
            _ = verb.changed() => continue,
        };
        if let Ok((client, _)) = client {
            let number = shared.accepted.fetch_add(1, Relaxed);
            let (until, shared) = (closing.clone(), shared.clone());
            beside(async move { until.run_until_cancelled(carry(shared, client, number)).await });
        }
    }
}

/// One connection, from its beginning to its end.
async fn carry(shared: Arc<Shared>, mut client: TcpStream, number: u64) {
    let _open = Open::new(&shared);
    client.set_nodelay(true).ok();
    let mut server = None;
    let (mut verb, mut cuts) = (shared.verb.subscribe(), shared.cuts.subscribe());
    let before = *cuts.borrow();
    let ended = tokio::select! {
        // What was cut before it was healed stays cut.
        biased;
        _ = verb.wait_for(|verb| *verb == Verb::Reset) => Err(pump::Reset),
        _ = cuts.changed() => Err(pump::Reset),
        ended = through(&shared, &mut client, &mut server, (number, before)) => ended,
    };
    if ended.is_err() {
        for end in [Some(&client), server.as_ref()].into_iter().flatten() {
            end.set_zero_linger().ok();
        }
    }
}

async fn through(
    shared: &Shared,
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    (number, cuts): (u64, u64),
) -> Result<(), pump::Reset> {
    // Nobody at the other end hears of a connection that is held from the start.
    let mut verb = shared.verb.subscribe();
    verb.wait_for(|verb| *verb != Verb::Blackhole).await.ok();
    let server = server.insert(connect(&shared.plan, number).await.ok_or(pump::Reset)?);
    let choices = StdRng::seed_from_u64(shared.plan.seed ^ number);
    pump::both(shared, client, server, (cuts, choices)).await
}

async fn connect(plan: &Plan, number: u64) -> Option<TcpStream> {
    let servers = plan.to.len();
    let first = usize::try_from(number).ok()? % servers;
    for n in 0..servers {
        let to = plan.to[(first + n) % servers];
        let socket = TcpSocket::new_v4().ok()?;
        if let Some(window) = plan.width.window {
            socket.set_recv_buffer_size(window).ok()?;
        }
        if let Ok(server) = socket.connect(to).await {
            server.set_nodelay(true).ok();
            return Some(server);
        }
    }
    None
}

/// Counts a connection for as long as it is there.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
