//! One connection of one person, and all it can do: our own raw Engine.IO 4 / Socket.IO 5 client.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    MessageNew, Node, Sent, eventually,
    inbox::{Greeting, Inbox},
    messages, patiently,
    transport::{Transport, Wire},
};

/// How somebody comes in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    auth: Value,
    transport: Transport,
    is_narrow: bool,
    namespace: &'static str,
    from: Option<String>,
}

impl Arrival {
    /// A guest of this name on the native namespace, by WebSocket.
    pub(crate) fn of(name: &str) -> Self {
        let auth = json!({ "name": name });
        Self { auth, namespace: "/chat", ..Self::classic() }
    }

    /// A tutorial's page.
    pub(crate) fn classic() -> Self {
        Self {
            auth: Value::Null,
            transport: Transport::WebSocket,
            is_narrow: false,
            namespace: "/",
            from: None,
        }
    }

    pub(crate) fn by(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Over a WebSocket for which the system takes in as little as it can: what the user does not
    /// read waits at the node.
    pub(crate) fn on_a_narrow_link(self) -> Self {
        Self { is_narrow: true, ..self }
    }

    /// The same person as in another connection, or before.
    pub(crate) fn back_as(mut self, session: &str) -> Self {
        self.auth["session"] = session.into();
        self
    }

    /// In the course of a trace of its own.
    pub(crate) fn traced(mut self, traceparent: &str) -> Self {
        self.auth["traceparent"] = traceparent.into();
        self
    }

    /// Bringing a token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.auth["token"] = token.into();
        self
    }

    /// By way of a proxy that says it comes from there.
    pub(crate) fn from(self, address: &str) -> Self {
        Self { from: Some(address.to_owned()), ..self }
    }

    pub(crate) async fn at(self, node: &Node) -> User {
        match self.try_at(node.address()).await {
            Ok(user) => user,
            Err(refusal) => panic!("refused at the door: {refusal}"),
        }
    }

    /// `Err`: what `connect_error` says.
    pub(crate) async fn try_at(self, address: SocketAddr) -> Result<User, Value> {
        let mut user = self.knock(address).await;
        if let Greeting::Rejected(why) = patiently("CONNECT", user.inbox.greeting()).await {
            return Err(why);
        }
        if user.namespace == "/chat" {
            user.ready = user.next("session:ready").await;
        }
        Ok(user)
    }

    /// Says CONNECT and waits for nothing.
    pub(crate) async fn knock(self, address: SocketAddr) -> User {
        let inbox = Arc::<Inbox>::default();
        let wire =
            Wire::open(self.transport, address, (self.is_narrow, self.from.as_deref()), &inbox);
        let wire = patiently("a connection", wire).await;
        let user = User {
            ready: Value::Null,
            room: Mutex::default(),
            namespace: self.namespace,
            asked: AtomicU64::new(0),
            wire,
            inbox,
        };
        let auth = if self.auth.is_null() { String::new() } else { self.auth.to_string() };
        user.raw_text(&format!("40{}{auth}", user.prefix()));
        user
    }
}

pub(crate) struct User {
    /// What `session:ready` said.
    ready: Value,
    /// The room joined last: where things are said.
    room: Mutex<String>,
    namespace: &'static str,
    asked: AtomicU64,
    wire: Wire,
    inbox: Arc<Inbox>,
}

impl User {
    /// Waits for the answer to CONNECT, and no longer.
    pub(crate) async fn is_let_in(&self) {
        let greeting = patiently("CONNECT", self.inbox.greeting()).await;
        assert!(matches!(greeting, Greeting::Connected), "{greeting:?}");
    }

    /// Waits for a refusal instead; what `connect_error` says.
    pub(crate) async fn is_refused(&self) -> Value {
        match patiently("a refusal", self.inbox.greeting()).await {
            Greeting::Rejected(why) => why,
            Greeting::Connected => panic!("was let in"),
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.ready["user"]["id"].as_str().unwrap()
    }

    pub(crate) fn name(&self) -> &str {
        self.ready["user"]["name"].as_str().unwrap()
    }

    pub(crate) fn session(&self) -> &str {
        self.ready["session"].as_str().unwrap()
    }

    pub(crate) fn ready(&self) -> &Value {
        &self.ready
    }

    /// The Engine.IO session id: a secret between this user and its node.
    pub(crate) async fn engine_sid(&self) -> String {
        let handshake = patiently("the handshake", self.inbox.handshake()).await;
        handshake["sid"].as_str().unwrap().to_owned()
    }

    /// Joins a room and speaks there from now on; the ack.
    pub(crate) async fn join(&self, room: &str) -> Value {
        room.clone_into(&mut self.room.lock());
        self.granted("room:join", json!({ "room": room })).await
    }

    /// Joins one of many rooms that many join at once: a node that is out of breath says so in
    /// time, and is asked again.
    pub(crate) async fn joins_in_the_end(&self, room: &str) {
        room.clone_into(&mut self.room.lock());
        eventually("a place in the room", || async {
            let ack = self.ask("room:join", json!({ "room": room })).await;
            let is_later =
                ack["error"]["code"] == "unavailable" && ack["error"]["retryable"] == true;
            assert!(ack["ok"] == true || is_later, "{ack}");
            (ack["ok"] == true).then_some(())
        })
        .await;
    }

    /// Joins where it was before.
    pub(crate) async fn join_since(&self, room: &str, since: Value) -> Value {
        room.clone_into(&mut self.room.lock());
        self.granted("room:join", json!({ "room": room, "since": since })).await
    }

    pub(crate) async fn say(&self, text: &str) -> Sent {
        self.say_as(&new_mid(), text).await
    }

    /// Says something under a mid of one's choice.
    pub(crate) async fn say_as(&self, mid: &str, text: &str) -> Sent {
        let ack = self.granted("message:send", self.message(mid, text)).await;
        serde_json::from_value(ack).unwrap()
    }

    /// Says something again and again, under one mid, until it is acked; as a client with an
    /// outbox does.
    pub(crate) async fn says_in_the_end(&self, text: &str) -> Sent {
        let mid = new_mid();
        eventually(&format!("an ack of {text}"), || async {
            let ack = self.ask("message:send", self.message(&mid, text)).await;
            assert!(ack["ok"] == true || ack["error"]["retryable"] == true, "{ack}");
            serde_json::from_value(ack).ok()
        })
        .await
    }

    /// The whole history of a room it is in.
    pub(crate) async fn reads_all(&self, room: &str) -> Vec<MessageNew> {
        let mut all = Vec::<MessageNew>::new();
        loop {
            let after = all.last().map_or(0, |message| message.seq);
            let ask = json!({ "room": room, "after": after, "limit": 200 });
            let page = self.granted("message:history", ask).await;
            all.extend(messages(&page));
            if page["more_after"] == false {
                return all;
            }
        }
    }

    /// The ids of who is in a room it is in.
    pub(crate) async fn sees_in(&self, room: &str) -> Vec<String> {
        let page = self.granted("room:members", json!({ "room": room, "limit": 200 })).await;
        let members = page["members"].as_array().unwrap();
        assert_eq!(page["count"], members.len());
        members.iter().map(|member| member["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The payload of `message:send`.
    pub(crate) fn message(&self, mid: &str, text: &str) -> Value {
        json!({ "room": *self.room.lock(), "text": text, "mid": mid })
    }

    /// The next message heard live.
    pub(crate) async fn hears(&self) -> MessageNew {
        serde_json::from_value(self.next("message:new").await).unwrap()
    }

    /// The texts of the next `n` messages heard live.
    pub(crate) async fn hears_texts(&self, n: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(n);
        while texts.len() < n {
            texts.push(self.hears().await.text);
        }
        texts
    }

    /// Asks and waits for the ack, whatever it says.
    pub(crate) async fn ask(&self, event: &str, payload: Value) -> Value {
        let id = self.begin(event, payload);
        self.answer_to(id).await
    }

    /// Asks; the number of the ack to come.
    #[expect(clippy::needless_pass_by_value, reason = "so that payloads are written in place")]
    pub(crate) fn begin(&self, event: &str, payload: Value) -> u64 {
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        let packet = if payload.is_null() { json!([event]) } else { json!([event, payload]) };
        self.raw_text(&format!("42{}{id}{packet}", self.prefix()));
        id
    }

    pub(crate) async fn answer_to(&self, id: u64) -> Value {
        self.answer_after(id).await.0
    }

    /// The answer, and how many events came before it.
    pub(crate) async fn answer_after(&self, id: u64) -> (Value, usize) {
        patiently("an ack", self.inbox.ack(id)).await
    }

    /// The answer; none: the connection has ended before.
    pub(crate) async fn answer_before_the_end(&self, id: u64) -> Option<Value> {
        patiently("an ack or the end", self.inbox.ack_before_the_end(id)).await
    }

    /// The answer, if it has come; also of a connection that has ended.
    pub(crate) fn answer_if_here(&self, id: u64) -> Option<Value> {
        self.inbox.ack_if_here(id)
    }

    /// Asks, and is granted it.
    pub(crate) async fn granted(&self, event: &str, payload: Value) -> Value {
        let ack = self.ask(event, payload).await;
        assert_eq!(ack["ok"], true, "{event}: {ack}");
        ack
    }

    /// Asks, and is refused it; the error.
    pub(crate) async fn refused(&self, event: &str, payload: Value) -> Value {
        let ack = self.ask(event, payload).await;
        assert_eq!(ack["ok"], false, "{event}: {ack}");
        ack["error"].clone()
    }

    /// Says something nobody need answer.
    pub(crate) fn emit(&self, event: &str, payload: &Value) {
        self.raw_text(&format!("42{}{}", self.prefix(), json!([event, payload])));
    }

    /// The first argument of the next event of this name; others are kept for later.
    pub(crate) async fn next(&self, event: &str) -> Value {
        let mut args = patiently(event, self.inbox.next(event)).await;
        if args.is_empty() { Value::Null } else { args.remove(0) }
    }

    /// The first `presence:changed` that says this (`joined`, `left`, `changed`) of somebody;
    /// those before it are let go.
    pub(crate) async fn is_told(&self, what: &str, of: &User) -> Value {
        loop {
            let told = self.next("presence:changed").await;
            let people = told[what].as_array().unwrap();
            if people.iter().any(|person| person["id"] == of.id()) {
                return told;
            }
        }
    }

    /// The first arguments of all events of this name that are here already. Ask after a marker
    /// that had to come later.
    pub(crate) fn so_far(&self, event: &str) -> Vec<Value> {
        let first =
            |mut args: Vec<Value>| if args.is_empty() { Value::Null } else { args.remove(0) };
        self.inbox.so_far(event).into_iter().map(first).collect()
    }

    /// The payloads of all events and answers it was ever sent.
    pub(crate) fn everything(&self) -> String {
        self.inbox.payloads()
    }

    /// Events it was told and has not looked at, as text.
    pub(crate) fn unread(&self) -> String {
        self.inbox.unread()
    }

    /// From now on it reads so many bytes a second; 0: it has stopped. Only over a WebSocket.
    pub(crate) fn reads_at(&self, bytes_a_second: usize) {
        self.wire.read_at(Some(bytes_a_second));
    }

    /// From now on it reads all there is.
    pub(crate) fn reads_again(&self) {
        self.wire.read_at(None);
    }

    /// Any Engine.IO frame.
    pub(crate) fn raw_text(&self, frame: &str) {
        self.wire.send(frame);
    }

    /// Ends the TCP connection without a word, as a train in a tunnel would.
    pub(crate) async fn drop_connection(&self) {
        self.wire.cut();
        self.closed().await;
    }

    /// Leaves as a page that is closed does.
    pub(crate) async fn bye(&self) {
        self.raw_text(&format!("41{}", self.prefix()));
        self.raw_text("1");
        self.closed().await;
    }

    /// Waits for the end of the connection; why it ended.
    pub(crate) async fn closed(&self) -> String {
        patiently("the end of the connection", self.inbox.closed()).await
    }

    /// The same, for an end that may come later than [`super::PATIENCE`].
    pub(crate) async fn closed_within(&self, bound: Duration) -> String {
        let closed = tokio::time::timeout(bound, self.inbox.closed()).await;
        closed.unwrap_or_else(|_| panic!("the end of the connection: not within {bound:?}"))
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.inbox.is_closed()
    }

    /// What stands before a packet's number and payload.
    fn prefix(&self) -> &'static str {
        if self.namespace == "/" { "" } else { "/chat," }
    }
}

pub(crate) fn new_mid() -> String {
    hubbub::clock::new_mid().to_string()
}
