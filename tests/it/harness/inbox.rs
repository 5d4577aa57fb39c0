//! What a user has been sent and not yet looked at: Engine.IO and Socket.IO frames, taken apart.
use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

/// What the server said to a namespace's CONNECT.
#[derive(Debug, Clone)]
pub(super) enum Greeting {
    Connected,
    Rejected(Value),
}

#[derive(Debug)]
struct Event {
    name: String,
    args: Vec<Value>,
}

#[derive(Default)]
struct State {
    handshake: Option<Value>,
    greeting: Option<Greeting>,
    events: VecDeque<Event>,
    acks: HashMap<u64, (Value, usize)>,
    /// Events that have come, looked at or not.
    heard: usize,
    closed: Option<String>,
    /// The payloads of all events and answers, one a line.
    payloads: String,
}

/// Shared by a user and the tasks of its transport.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
}

impl Inbox {
    /// Takes a frame in; what is to be sent back at once, if anything.
    pub(super) fn take(&self, frame: &str) -> Option<&'static str> {
        let mut reply = None;
        {
            let mut state = self.state.lock();
            match frame.as_bytes().first() {
                Some(b'0') => state.handshake = serde_json::from_str(&frame[1..]).ok(),
                Some(b'1') => state.closed = Some("a close packet".to_owned()),
                Some(b'2') => reply = Some("3"),
                Some(b'4') => state.packet(&frame[1..]),
                _ => {}
            }
        }
        self.changed.notify_waiters();
        reply
    }

    pub(super) fn close(&self, why: &str) {
        self.state.lock().closed.get_or_insert_with(|| why.to_owned());
        self.changed.notify_waiters();
    }

    pub(super) async fn handshake(&self) -> Value {
        self.wait(|state| state.handshake.clone()).await
    }

    pub(super) async fn greeting(&self) -> Greeting {
        self.wait(|state| state.greeting.clone()).await
    }

    /// The first event of this name that was not yet looked at; others wait for their turn.
    pub(super) async fn next(&self, name: &str) -> Vec<Value> {
        self.wait(|state| state.event(name)).await
    }

    /// Events of this name that are here already.
    pub(super) fn so_far(&self, name: &str) -> Vec<Vec<Value>> {
        let mut state = self.state.lock();
        std::iter::from_fn(|| state.event(name)).collect()
    }

    /// Events that were not yet looked at.
    pub(super) fn unread(&self) -> String {
        format!("{:?}", self.state.lock().events)
    }

    pub(super) fn payloads(&self) -> String {
        self.state.lock().payloads.clone()
    }

    /// An answer, and how many events came before it.
    pub(super) async fn ack(&self, id: u64) -> (Value, usize) {
        self.wait(|state| state.acks.remove(&id)).await
    }

    /// The answer; none: the connection has ended before.
    pub(super) async fn ack_before_the_end(&self, id: u64) -> Option<Value> {
        let answer = self.until(|state| match state.acks.remove(&id) {
            Some((answer, _)) => Some(Ok(answer)),
            None => state.closed.clone().map(Err),
        });
        answer.await.ok()
    }

    /// The answer, if it has come.
    pub(super) fn ack_if_here(&self, id: u64) -> Option<Value> {
        self.state.lock().acks.remove(&id).map(|(answer, _)| answer)
    }

    pub(super) async fn closed(&self) -> String {
        // What came before the end may still be looked at, so the end itself comes last.
        self.until(|state| state.closed.clone().map(Ok)).await.unwrap()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed.is_some()
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let found = self.until(move |state| match look(state) {
            Some(found) => Some(Ok(found)),
            None => state.closed.clone().map(Err),
        });
        found.await.unwrap_or_else(|why: String| panic!("the connection has ended: {why}"))
    }

    async fn until<T>(
        &self,
        mut look: impl FnMut(&mut State) -> Option<Result<T, String>>,
    ) -> Result<T, String> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

impl State {
    fn event(&mut self, name: &str) -> Option<Vec<Value>> {
        let at = self.events.iter().position(|event| event.name == name)?;
        self.events.remove(at).map(|event| event.args)
    }

    /// A Socket.IO packet: its type, its namespace, its number, its payload.
    fn packet(&mut self, packet: &str) {
        let (kind, rest) = packet.split_at(1);
        let rest = match rest.strip_prefix('/') {
            Some(named) => named.split_once(',').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, payload) = rest.split_at(digits);
        if matches!(kind, "2" | "3") {
            self.payloads.push_str(payload);
            self.payloads.push('\n');
        }
        let payload: Value = serde_json::from_str(payload).unwrap_or_default();
        match kind {
            "0" => self.greeting = Some(Greeting::Connected),
            "4" => self.greeting = Some(Greeting::Rejected(payload)),
            "1" => self.closed = Some("a disconnect packet".to_owned()),
            "2" => self.heard(payload),
            "3" => {
                let answer = payload.get(0).cloned().unwrap_or_default();
                self.acks.insert(number.parse().unwrap(), (answer, self.heard));
            }
            _ => {}
        }
    }

    fn heard(&mut self, payload: Value) {
        let Value::Array(mut args) = payload else { panic!("an event is an array: {payload}") };
        let name = args.remove(0).as_str().unwrap().to_owned();
        self.events.push_back(Event { name, args });
        self.heard += 1;
    }
}
