//! Many clients in one process: who they are, what they are told, and waiting for them.
mod bearer;
mod link;
mod look;
mod member;
mod outbox;
mod stock;
mod view;
mod words;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub(crate) use self::{
    bearer::{Bearer, by_token},
    link::Transport,
    member::{Spec, Status, new_mid},
};
use self::{
    member::{Member, Order},
    stock::{Part, Program},
};
use crate::{
    common::{beside, eventually_within},
    records::{ClientRecords, Mid, Name, Recorder},
    run::{Notes, Run},
    stage::{Doors, Stage},
};

/// How long all may take to come in, or to come back, on a busy machine.
const COME_IN_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take until so much more has been acked.
const ACKED_WITHIN: Duration = Duration::from_secs(90);

/// How many clients, in how many rooms, saying how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) members: usize,
    /// Besides the hot one, in which everybody is.
    pub(crate) rooms: usize,
    /// Messages a second, of all together.
    pub(crate) a_second: f64,
    /// Besides, programs with a real `socket.io-client`.
    pub(crate) stock: usize,
}

impl Load {
    /// What most scenarios run under.
    pub(crate) fn usual(run: &Run) -> Self {
        run.scaled(
            Self { members: 18, rooms: 3, a_second: 30.0, stock: 1 },
            Self { members: 45, rooms: 5, a_second: 80.0, stock: 2 },
        )
    }
}

/// The room in which everybody is.
pub(crate) fn hot() -> Name {
    Name::new("hot")
}

/// How a watcher's name begins.
const WATCHER: &str = "watcher-";

/// Whether it is one of ours who only look.
pub(crate) fn is_watcher(client: Name) -> bool {
    client.as_str().starts_with(WATCHER)
}

fn room(number: usize) -> Name {
    Name::new(&format!("room-{}", number + 1))
}

/// One client, from outside.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) name: Name,
    status: Arc<Mutex<Status>>,
    orders: mpsc::UnboundedSender<Order>,
    /// How much it was told to say.
    told: Arc<AtomicU64>,
}

impl Seat {
    pub(crate) fn status(&self) -> Status {
        self.status.lock().clone()
    }

    fn order(&self, order: Order) {
        // One that was closed obeys no more.
        self.orders.send(order).ok();
    }

    /// Begins to write on its own, or falls silent.
    pub(crate) fn talks(&self, talks: bool) {
        self.order(Order::Talk(talks));
    }

    /// Writes this; the mid it goes under. What it was talking about otherwise goes on.
    pub(crate) fn says(&self, room: Name, text: &str) -> Mid {
        let mid = new_mid();
        self.says_as(mid, room, text);
        mid
    }

    pub(crate) fn says_as(&self, mid: Mid, room: Name, text: &str) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.order(Order::Say { room, text: text.to_owned(), mid });
    }

    /// Whether all that it was told to say is acked; of one who says nothing by itself.
    pub(crate) fn has_said_all(&self) -> bool {
        self.status().acked >= self.told.load(Ordering::Relaxed)
    }

    /// As a stopped process: it neither reads nor answers anything.
    pub(crate) fn freezes(&self) {
        self.order(Order::Freeze(true));
    }

    pub(crate) fn thaws(&self) {
        self.order(Order::Freeze(false));
    }

    /// Its connection ends without a word; it goes on at its way of this number, from 1.
    pub(crate) fn moves_to(&self, way: usize) {
        self.order(Order::MoveTo(way - 1));
    }

    /// Ends for good.
    pub(crate) fn closes(&self) {
        self.order(Order::Close);
    }

    /// What the server answers; none: it is not connected.
    pub(crate) async fn asks(&self, event: &'static str, payload: Value) -> Option<Value> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Ask { event, payload, answer });
        tokio::time::timeout(Duration::from_secs(5), answered).await.ok()?.ok()
    }

    pub(crate) async fn is_live(&self) {
        eventually_within(
            COME_IN_WITHIN,
            &format!("{} is in all its rooms", self.name),
            || async { self.status().is_live().then_some(()) },
        )
        .await;
    }
}

/// A client that is there, with what it writes down.
struct Life {
    seat: Seat,
    paper: Paper,
    task: JoinHandle<()>,
}

enum Paper {
    Ours(Arc<Recorder>),
    /// A program writes it.
    Theirs(PathBuf),
}

impl Paper {
    /// Once the client has ended.
    fn read(&self) -> io::Result<ClientRecords> {
        match self {
            Self::Ours(pen) => pen.finish(),
            Self::Theirs(file) => ClientRecords::read(file),
        }
    }
}

pub(crate) struct Swarm {
    /// The way of most of them to the nodes.
    pub(crate) doors: Arc<Doors>,
    rooms: Vec<Name>,
    lives: Mutex<Vec<Life>>,
    /// One at each node, past all proxies, who say nothing: they read for us what the nodes show.
    watchers: Vec<Seat>,
    notes: Arc<Notes>,
    choices: Mutex<StdRng>,
    /// How all of them come in, unless one is told otherwise.
    bearer: Option<Bearer>,
}

impl Swarm {
    /// All of them, in all their rooms, and talking.
    pub(crate) async fn start(run: &Run, stage: &Stage, load: Load) -> Self {
        Self::start_as(run, stage, load, None).await
    }

    /// The same, with tokens.
    pub(crate) async fn start_as(
        run: &Run,
        stage: &Stage,
        load: Load,
        bearer: Option<Bearer>,
    ) -> Self {
        let doors = stage.doors();
        let rooms: Vec<Name> = std::iter::once(hot()).chain((0..load.rooms).map(room)).collect();
        let mut swarm = Self {
            doors,
            rooms,
            lives: Mutex::default(),
            watchers: Vec::new(),
            notes: run.notes.clone(),
            choices: Mutex::new(StdRng::seed_from_u64(run.seed)),
            bearer,
        };
        for (n, node) in stage.nodes.iter().enumerate() {
            let watcher = Spec {
                name: Name::new(&format!("{WATCHER}{}", n + 1)),
                transport: Transport::WebSocket,
                ways: vec![node.address()],
                rooms: swarm.rooms.clone(),
                a_second: None,
                window: None,
                session: None,
                bearer,
            };
            let watcher = swarm.add(watcher);
            swarm.watchers.push(watcher);
        }
        let a_second = load.a_second / f64::from(u32::try_from(load.members).unwrap());
        for n in 0..load.members {
            let spec = swarm.spec(&format!("c-{}", n + 1), n, Some(a_second));
            swarm.add(spec);
        }
        for n in 0..load.stock {
            swarm.add_stock(&format!("stock-{}", n + 1), n, a_second);
        }
        swarm.all_live().await;
        swarm.seats().iter().for_each(|seat| seat.talks(true));
        swarm
    }

    /// The `n`th of many alike: of its own transport, in the hot room and one other, at its node.
    pub(crate) fn spec(&self, name: &str, n: usize, a_second: Option<f64>) -> Spec {
        let nodes = self.doors.paths.len();
        let ways = self.doors.from(n);
        let transport = match n % 5 {
            0 => Transport::Upgrade,
            1 => Transport::Polling,
            _ => Transport::WebSocket,
        };
        let mut rooms = vec![self.rooms[0]];
        if let others @ 1.. = self.rooms.len() - 1 {
            rooms.push(self.rooms[1 + n / nodes % others]);
        }
        Spec {
            name: Name::new(name),
            transport,
            ways,
            rooms,
            a_second,
            window: None,
            session: None,
            bearer: self.bearer,
        }
    }

    /// One more; it comes in at once, and talks once it is told to.
    pub(crate) fn add(&self, spec: Spec) -> Seat {
        let pen = self.notes.pen(spec.client());
        let (orders, obeyed) = mpsc::unbounded_channel();
        let status = Arc::<Mutex<Status>>::default();
        let told = Arc::default();
        let seat = Seat { name: spec.name, status: status.clone(), orders, told };
        let choices = StdRng::seed_from_u64(self.choices.lock().random());
        let member = Member::new(spec, pen.clone(), choices, status, obeyed);
        let task = beside(member.live());
        self.lives.lock().push(Life { seat: seat.clone(), paper: Paper::Ours(pen), task });
        seat
    }

    /// One more, which is a program with a real `socket.io-client`. It knows one address, where a
    /// balancer leads it to any node. It can be told to talk, to fall silent, and to close.
    pub(crate) fn add_stock(&self, name: &str, n: usize, a_second: f64) -> Seat {
        let rooms = self.spec(name, n, None).rooms;
        let (name, at) = (Name::new(name), self.doors.balancer.at());
        let seed = self.choices.lock().random();
        let (orders, obeyed) = mpsc::unbounded_channel();
        let status = Arc::<Mutex<Status>>::default();
        let part = Part { name, at, rooms, a_second, seed };
        let program = Program::start(&part, &self.notes, status.clone());
        let paper = Paper::Theirs(program.file.clone());
        let seat = Seat { name, status, orders, told: Arc::default() };
        let task = beside(program.live(obeyed));
        self.lives.lock().push(Life { seat: seat.clone(), paper, task });
        seat
    }

    /// Everybody, the watchers too.
    pub(crate) fn seats(&self) -> Vec<Seat> {
        self.lives.lock().iter().map(|life| life.seat.clone()).collect()
    }

    /// By its name, such as `c-1`.
    pub(crate) fn seat(&self, name: &str) -> Seat {
        let found = self.seats().into_iter().find(|seat| seat.name.as_str() == name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Those who are connected to this node now, but for its watcher.
    pub(crate) fn at(&self, node: Name) -> Vec<Seat> {
        let mut seats = self.seats();
        seats.retain(|seat| !is_watcher(seat.name) && seat.status().node == Some(node));
        seats
    }

    /// Waits until so many more messages have been acked: how long the load goes on.
    pub(crate) async fn acks(&self, more: u64) {
        let acked = || self.seats().iter().map(|seat| seat.status().acked).sum::<u64>();
        let enough = acked() + more;
        let what = format!("{more} more messages are acked");
        eventually_within(ACKED_WITHIN, &what, || async {
            self.fails_with_its_clients();
            (acked() >= enough).then_some(())
        })
        .await;
    }

    /// Waits until so many more attempts have been refused.
    pub(crate) async fn refusals(&self, more: u64) {
        let refused = || self.seats().iter().map(|seat| seat.status().refused).sum::<u64>();
        let enough = refused() + more;
        let what = format!("{more} more attempts are refused");
        eventually_within(ACKED_WITHIN, &what, || async {
            self.fails_with_its_clients();
            (refused() >= enough).then_some(())
        })
        .await;
    }

    /// Waits until everybody who was not closed is connected and in all their rooms.
    pub(crate) async fn all_live(&self) {
        let seats = self.open();
        eventually_within(COME_IN_WITHIN, "all clients are in all their rooms", || async {
            self.fails_with_its_clients();
            seats.iter().all(|seat| seat.status().is_live()).then_some(())
        })
        .await;
    }

    /// A client that met what it does not know ends the run.
    fn fails_with_its_clients(&self) {
        for life in self.lives.lock().iter() {
            let is_gone = life.task.is_finished() && !life.seat.orders.is_closed();
            assert!(!is_gone, "{} has failed; see above", life.seat.name);
        }
    }

    /// Nobody thinks of anything new to say; what was begun is still tried.
    pub(crate) fn falls_silent(&self) {
        self.seats().iter().for_each(|seat| seat.talks(false));
    }

    /// Those who talked before talk again.
    pub(crate) fn speaks_again(&self) {
        self.seats().iter().for_each(|seat| seat.talks(true));
    }

    /// Ends everybody; what they have written.
    pub(crate) async fn close(&self) -> Vec<ClientRecords> {
        self.seats().iter().for_each(Seat::closes);
        let lives = std::mem::take(&mut *self.lives.lock());
        join_all(lives.into_iter().map(|life| async move {
            let name = life.seat.name;
            life.task.await.unwrap_or_else(|error| panic!("{name} has failed: {error}"));
            life.paper.read().unwrap_or_else(|error| panic!("the records of {name}: {error}"))
        }))
        .await
    }
}
