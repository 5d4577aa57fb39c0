//! One client's life: it connects, joins, says, hears, is cut off, and comes back elsewhere.
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{RngExt, rngs::StdRng};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    bearer::Bearer,
    link::{Came, Link, Transport},
    outbox::Outbox,
    view::{State, View, Want},
    words::{self, Answer, Packet, Refusal},
};
use crate::records::{Client, Cursor, Event, Mid, Name, Recorder, text_hash};

/// How long a connection may take to open, and to be let in.
const COMES_IN_WITHIN: Duration = Duration::from_secs(5);
/// A connection that owes an answer for so long is given up; the promise is 3 s.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);
/// What the network may add to the server's own heartbeat.
const HEARTBEAT_SLACK: Duration = Duration::from_secs(1);
/// The first wait before coming back, and the longest.
const COMES_BACK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// Until something other than a message is asked for again.
const ASKS_AGAIN: Duration = Duration::from_millis(300);

/// What a client is.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: Name,
    pub(crate) transport: Transport,
    /// The ways to the nodes; it begins with the first and goes on to the next.
    pub(crate) ways: Vec<SocketAddr>,
    pub(crate) rooms: Vec<Name>,
    /// Messages a second, on average. None: it only listens.
    pub(crate) a_second: Option<f64>,
    /// How much the system takes in for it before it reads.
    pub(crate) window: Option<u32>,
    /// Goes on under somebody's session: a second device.
    pub(crate) session: Option<String>,
    /// Comes in with a token instead.
    pub(crate) bearer: Option<Bearer>,
}

impl Spec {
    pub(super) fn client(&self) -> Client {
        let kind = Name::new(self.transport.name());
        Client { name: self.name, kind, rule: true, retries: true }
    }
}

/// How it is with a client.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Status {
    pub(crate) node: Option<Name>,
    pub(crate) user: Option<Name>,
    pub(crate) session: Option<String>,
    /// Written and not answered for good.
    pub(crate) unsent: usize,
    pub(crate) acked: u64,
    pub(crate) refused: u64,
    pub(crate) heard: u64,
    /// Connections it has had.
    pub(crate) connections: u64,
    /// Each room, where it is there, and whether it is live.
    pub(crate) rooms: Vec<(Name, Option<Cursor>, bool)>,
}

impl Status {
    pub(crate) fn is_live(&self) -> bool {
        self.node.is_some() && !self.rooms.is_empty() && self.rooms.iter().all(|(_, _, live)| *live)
    }
}

/// What a client is told to do.
pub(super) enum Order {
    /// Writes on its own, or not.
    Talk(bool),
    /// Says this, once and soon, as if it had thought of it.
    Say {
        room: Name,
        text: String,
        mid: Mid,
    },
    /// Does nothing at all, as a stopped process.
    Freeze(bool),
    /// Its connection ends without a word, and it goes on at the way of this number.
    MoveTo(usize),
    /// Asks the server something, if it is connected.
    Ask {
        event: &'static str,
        payload: Value,
        answer: oneshot::Sender<Value>,
    },
    Close,
}

/// What an ack is awaited for.
enum Asked {
    Send { mid: Mid, room: Name, n: u32 },
    Join { room: usize, since: Option<Cursor> },
    Page { room: usize, want: Want },
    Other(oneshot::Sender<Value>),
}

pub(super) struct Member {
    spec: Spec,
    pen: Arc<Recorder>,
    choices: StdRng,
    status: Arc<Mutex<Status>>,
    orders: mpsc::UnboundedReceiver<Order>,
    at: usize,
    session: Option<String>,
    views: Vec<View>,
    /// When a room's join or page that was refused is asked for again.
    again: Vec<Option<Instant>>,
    outbox: Outbox,
    next_offer: Option<Instant>,
    offered: u64,
    attempts: u32,
    waits_ms: Duration,
    talk: Talk,
    closing: bool,
}

/// What belongs to one connection.
#[derive(Default)]
struct Talk {
    asked: u64,
    waiting: HashMap<u64, Asked>,
    is_in: bool,
    heartbeat: Option<Duration>,
    heard: Option<Instant>,
}

impl Member {
    pub(super) fn new(
        spec: Spec,
        pen: Arc<Recorder>,
        choices: StdRng,
        status: Arc<Mutex<Status>>,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        let views: Vec<View> = spec.rooms.iter().map(|room| View::new(*room)).collect();
        let again = views.iter().map(|_| None).collect();
        let session = spec.session.clone();
        Self {
            spec,
            pen,
            choices,
            status,
            orders,
            at: 0,
            session,
            views,
            again,
            outbox: Outbox::default(),
            next_offer: None,
            offered: 0,
            attempts: 0,
            waits_ms: COMES_BACK.0,
            talk: Talk::default(),
            closing: false,
        }
    }

    pub(super) async fn live(mut self) {
        while !self.closing {
            self.talk = Talk::default();
            let to = self.spec.ways[self.at];
            let opening = Link::open(self.spec.transport, to, self.spec.window);
            if let Ok(Ok(mut link)) = tokio::time::timeout(COMES_IN_WITHIN, opening).await {
                let why = self.talk(&mut link).await;
                if self.talk.is_in && !self.closing {
                    self.pen.note(Event::Disconnected { why: Name::new(&shortened(&why)) });
                }
            }
            self.views.iter_mut().for_each(View::away);
            self.outbox.away();
            self.talk = Talk::default();
            self.publish();
            if !self.closing {
                self.stay_away().await;
            }
        }
        self.pen.note(Event::Closed);
    }

    /// Until it comes back; what it has to say meanwhile waits in the outbox.
    async fn stay_away(&mut self) {
        let wait = self.waits_ms.mul_f64(self.choices.random_range(0.5..1.5));
        self.waits_ms = (self.waits_ms * 2).min(COMES_BACK.1);
        let end = Instant::now() + wait;
        let before = self.at;
        loop {
            let until = self.next_offer.map_or(end, |offer| offer.min(end));
            tokio::select! {
                order = self.orders.recv() => match order {
                    // Asked of somebody who is away.
                    Some(Order::Ask { .. }) => {}
                    Some(order) => self.obey(order, None).await,
                    None => self.closing = true,
                },
                () = tokio::time::sleep_until(until) => {}
            }
            self.offer();
            self.publish();
            if self.closing || Instant::now() >= end {
                break;
            }
        }
        // Unless it was told where to go.
        if self.at == before {
            self.at = (self.at + 1) % self.spec.ways.len();
        }
    }

    /// One connection, from CONNECT to its end; why it ended.
    async fn talk(&mut self, link: &mut Link) -> String {
        let began = Instant::now();
        let mut auth = json!({ "name": self.spec.name });
        if let Some(bearer) = self.spec.bearer {
            auth["token"] = bearer.token(self.spec.name).into();
        } else if let Some(session) = &self.session {
            auth["session"] = session.as_str().into();
        }
        link.send(format!("40/chat,{auth}"));
        loop {
            let wake = self.next_wake(began);
            tokio::select! {
                came = link.next() => match came {
                    Came::Frame(frame) => {
                        self.talk.heard = Some(Instant::now());
                        if let Err(why) = self.hear(&frame, link) {
                            return why;
                        }
                    }
                    Came::Ended(why) => return why,
                },
                order = self.orders.recv() => {
                    let at = self.at;
                    self.obey(order.unwrap_or(Order::Close), Some(link)).await;
                    if self.closing || self.at != at {
                        return "our own wish".to_owned();
                    }
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            if let Some(why) = self.overdue(began) {
                return why;
            }
            self.offer();
            self.ask_again(link);
            self.flush(link);
            self.publish();
        }
    }

    async fn obey(&mut self, order: Order, mut link: Option<&mut Link>) {
        match order {
            Order::Talk(true) if self.spec.a_second.is_some() => {
                // Not all at once.
                let begin = self.pause();
                self.next_offer = Some(Instant::now() + begin);
            }
            Order::Talk(_) => self.next_offer = None,
            Order::Say { room, text, mid } => self.outbox.put(mid, room, text),
            Order::MoveTo(at) => self.at = at,
            Order::Ask { event, payload, answer } => {
                if let Some(link) = link.take().filter(|_| self.talk.is_in) {
                    self.ask(event, &payload, Asked::Other(answer), link);
                }
            }
            Order::Close => self.closing = true,
            Order::Freeze(true) => {
                if let Some(link) = link.as_deref_mut() {
                    link.read(false);
                }
                // Frozen, it obeys nothing but a thaw and the end.
                loop {
                    match self.orders.recv().await {
                        Some(Order::Freeze(false)) => break,
                        Some(Order::Close) | None => {
                            self.closing = true;
                            break;
                        }
                        Some(_) => {}
                    }
                }
                if let Some(link) = link {
                    link.read(true);
                }
            }
            Order::Freeze(false) => {}
        }
    }

    fn hear(&mut self, frame: &str, link: &Link) -> Result<(), String> {
        match Packet::of(frame) {
            Packet::Open { patience_ms } => {
                self.talk.heartbeat = Some(Duration::from_millis(patience_ms) + HEARTBEAT_SLACK);
            }
            Packet::Ping => link.send("3"),
            Packet::Close => return Err("a close packet".to_owned()),
            Packet::Ended => return Err("a disconnect packet".to_owned()),
            Packet::Rejected(why) => return Err(format!("rejected: {why}")),
            Packet::Event { name, payload } => self.told(&name, &payload, link),
            Packet::Ack { id, payload } => self.answered(id, &payload, link),
            Packet::Connected | Packet::Other => {}
        }
        Ok(())
    }

    fn told(&mut self, event: &str, payload: &str, link: &Link) {
        match event {
            "session:ready" => self.comes_in(&read(payload), link),
            "message:new" => {
                let new = read::<words::Message>(payload).line();
                self.status.lock().heard += 1;
                self.on(new.room, link, |view, pen| view.hear(new, pen));
            }
            "room:head" => {
                let head: words::Head = read(payload);
                self.on(Name::new(&head.room), link, |view, pen| view.told_head(&head, pen));
            }
            "room:reset" => {
                let reset: words::Reset = read(payload);
                self.on(Name::new(&reset.room), link, |view, pen| view.forget(&reset.reason, pen));
            }
            "session:expiring" => {
                let bearer = self.spec.bearer.filter(|bearer| bearer.refreshes);
                if let Some(bearer) = bearer {
                    let payload = json!({ "token": bearer.token(self.spec.name) });
                    // That it was taken shows in that the connection stays.
                    let (answer, _) = oneshot::channel();
                    self.ask("session:refresh", &payload, Asked::Other(answer), link);
                }
            }
            "system:notice" => {
                let words::Notice { code, reconnect, after_ms } = read(payload);
                self.pen.note(Event::Notice { code: Name::new(&code), reconnect, after_ms });
            }
            "presence:changed" => {
                let changed: words::Changed = read(payload);
                let (joined, left) = (words::ids(&changed.joined), words::ids(&changed.left));
                let room = Name::new(&changed.room);
                self.pen.note(Event::PresenceChanged { room, joined, left });
            }
            _ => {}
        }
    }

    /// `session:ready`: from here on it can ask.
    fn comes_in(&mut self, ready: &words::Ready, link: &Link) {
        let (node, user) = (Name::new(&ready.node), Name::new(&ready.user.id));
        self.pen.note(Event::Connected { node, user, connection: Name::new(&ready.connection) });
        self.session.clone_from(&ready.session);
        self.waits_ms = COMES_BACK.0;
        self.talk.is_in = true;
        {
            let mut status = self.status.lock();
            (status.node, status.user) = (Some(node), Some(user));
            status.session.clone_from(&ready.session);
            status.connections += 1;
        }
        for room in 0..self.views.len() {
            self.join(room, link);
        }
    }

    fn join(&mut self, room: usize, link: &Link) {
        let (payload, since) = self.views[room].join(&self.pen);
        self.ask("room:join", &payload, Asked::Join { room, since }, link);
    }

    fn want(&mut self, room: usize, want: Want, link: &Link) {
        if let Some(payload) = self.views[room].page(want) {
            self.ask("message:history", &payload, Asked::Page { room, want }, link);
        }
    }

    fn on(&mut self, room: Name, link: &Link, tell: impl FnOnce(&mut View, &Recorder) -> Want) {
        if let Some(at) = self.views.iter().position(|view| view.room == room) {
            let want = tell(&mut self.views[at], &self.pen);
            self.want(at, want, link);
        }
    }

    fn ask(&mut self, event: &str, payload: &Value, asked: Asked, link: &Link) {
        let id = self.talk.asked;
        self.talk.asked += 1;
        self.talk.waiting.insert(id, asked);
        link.send(format!("42/chat,{id}{}", json!([event, payload])));
    }

    fn answered(&mut self, id: u64, payload: &str, link: &Link) {
        let Some(asked) = self.talk.waiting.remove(&id) else { return };
        let Answer { ok, error } = read(payload);
        let refusal = error.filter(|_| !ok);
        match asked {
            Asked::Other(answer) => drop(answer.send(read(payload))),
            Asked::Send { mid, room, n } => self.send_answered((mid, room, n), refusal, payload),
            Asked::Join { room, since } => match refusal {
                None => {
                    let want = self.views[room].joined(&read(payload), since, &self.pen);
                    self.want(room, want, link);
                }
                Some(refusal) => self.refused(room, State::Out, &refusal),
            },
            Asked::Page { room, want } => match refusal {
                None => {
                    let want = self.views[room].paged(&read(payload), want, &self.pen);
                    self.want(room, want, link);
                }
                Some(refusal) => self.refused(room, State::Paging, &refusal),
            },
        }
    }

    fn send_answered(
        &mut self,
        (mid, room, n): (Mid, Name, u32),
        refusal: Option<Refusal>,
        payload: &str,
    ) {
        let Some(refusal) = refusal else {
            let words::Sent { epoch, seq, dup } = read(payload);
            self.pen.note(Event::Acked { n, room, mid, epoch: Name::new(&epoch), seq, dup });
            self.outbox.done(mid);
            self.status.lock().acked += 1;
            return;
        };
        let (code, outcome) = (Name::new(&refusal.code), refusal.outcome);
        let retryable = refusal.retryable;
        self.pen.note(Event::Refused { n, room, mid, code, outcome, retryable });
        self.status.lock().refused += 1;
        if retryable {
            self.outbox.again(mid, &refusal, &mut self.choices);
        } else {
            self.outbox.done(mid);
        }
    }

    /// A join or a page was refused.
    fn refused(&mut self, room: usize, back_to: State, refusal: &Refusal) {
        let name = self.spec.name;
        assert!(refusal.retryable, "{name} in {}: {refusal:?}", self.views[room].room);
        self.views[room].state = back_to;
        let wait = refusal.retry_after_ms.map_or(ASKS_AGAIN, Duration::from_millis);
        let wait = wait.mul_f64(self.choices.random_range(1.0..1.5));
        self.again[room] = Some(Instant::now() + wait);
    }

    fn ask_again(&mut self, link: &Link) {
        for room in 0..self.views.len() {
            if self.again[room].is_none_or(|again| again > Instant::now()) {
                continue;
            }
            self.again[room] = None;
            if self.views[room].state == State::Out {
                self.join(room, link);
            } else {
                let want = self.views[room].missing();
                self.want(room, want, link);
            }
        }
    }

    /// Sends what may go.
    fn flush(&mut self, link: &Link) {
        if !self.talk.is_in {
            return;
        }
        let views = &self.views;
        let is_open = |room| {
            views
                .iter()
                .any(|view| view.room == room && matches!(view.state, State::Live | State::Paging))
        };
        for (mid, room, text) in self.outbox.take(is_open) {
            self.attempts += 1;
            let n = self.attempts;
            self.pen.note(Event::Sent { n, room, mid, text_hash: text_hash(&text) });
            let payload = json!({ "room": room, "mid": mid, "text": text });
            self.ask("message:send", &payload, Asked::Send { mid, room, n }, link);
        }
    }

    /// Thinks of what to say, as much as is due.
    fn offer(&mut self) {
        while let Some(offer) = self.next_offer.filter(|offer| *offer <= Instant::now()) {
            self.next_offer = Some(offer + self.pause());
            self.offered += 1;
            // The hot room is the first, and not for everybody's every word.
            let hot = self.views.len() == 1 || self.choices.random_bool(0.1);
            let room = if hot { 0 } else { self.choices.random_range(1..self.views.len()) };
            let text = format!("{} says {}", self.spec.name, self.offered);
            self.outbox.put(new_mid(), self.views[room].room, text);
        }
    }

    fn pause(&mut self) -> Duration {
        let a_second = self.spec.a_second.unwrap_or(1.0);
        Duration::from_secs_f64(self.choices.random_range(0.5..1.5) / a_second)
    }

    fn next_wake(&self, began: Instant) -> Instant {
        let heartbeat = self.talk.heartbeat.zip(self.talk.heard).map(|(most, heard)| heard + most);
        let come_in = (!self.talk.is_in).then(|| began + COMES_IN_WITHIN);
        let answer = self.outbox.oldest_underway().map(|since| since + ANSWERS_WITHIN);
        let outbox = self.outbox.due().filter(|due| self.talk.is_in && *due > Instant::now());
        let again = self.again.iter().flatten().min().copied();
        let wakes = [heartbeat, come_in, answer, outbox, again, self.next_offer];
        let never = began + Duration::from_hours(24);
        wakes.into_iter().flatten().min().unwrap_or(never)
    }

    /// Why the connection is given up, if it is.
    fn overdue(&self, began: Instant) -> Option<String> {
        let now = Instant::now();
        if !self.talk.is_in && now >= began + COMES_IN_WITHIN {
            return Some("nobody let us in".to_owned());
        }
        if self.outbox.oldest_underway().is_some_and(|since| now >= since + ANSWERS_WITHIN) {
            return Some("a send without an answer".to_owned());
        }
        let (most, heard) = self.talk.heartbeat.zip(self.talk.heard)?;
        (now >= heard + most).then(|| "no heartbeat".to_owned())
    }

    fn publish(&self) {
        let mut status = self.status.lock();
        if !self.talk.is_in {
            status.node = None;
        }
        status.unsent = self.outbox.len();
        let of = |view: &View| (view.room, view.cursor(), view.state == State::Live);
        status.rooms.clear();
        status.rooms.extend(self.views.iter().map(of));
    }
}

/// A payload of a shape we know; another one is a break of the protocol.
fn read<T: serde::de::DeserializeOwned>(payload: &str) -> T {
    serde_json::from_str(payload).unwrap_or_else(|error| panic!("{error}: {payload}"))
}

/// A new message's id.
pub(crate) fn new_mid() -> Mid {
    Mid::new(hubbub::clock::new_mid().as_str()).expect("a UUID is a mid")
}

/// Reasons hold addresses and numbers; the records keep each name for ever.
fn shortened(why: &str) -> String {
    why.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}
