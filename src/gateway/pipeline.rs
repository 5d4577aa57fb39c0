//! The way in of every event: one bounded queue per socket, in arrival order, and a worker only
//! while there is something in it.
use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    link::Link,
    outbox::{Ack, SocketOutbox},
};
use crate::{
    error::{Error, Refusal},
    events::say::ASKED,
    lifecycle::Lifecycle,
    rooms::{CloseReason, Frame, Outbox},
};
use async_trait::async_trait;
use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;

/// Unanswerable refusals are told at most this often.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// What speaks with one socket: the native protocol, or the tutorials' dialects.
#[async_trait]
pub(super) trait Conversation: Send + Sync {
    /// One event, decoded no further than its name and its arguments.
    async fn hear(&self, event: &str, args: &[&RawValue], reply: Reply);
    /// The socket is gone. Called once, after the last event.
    async fn depart(&self);
}

/// Where an answer goes, if one is wanted.
pub(super) struct Reply {
    outbox: Arc<SocketOutbox>,
    due: Arc<Mutex<Due>>,
    notices: Arc<Mutex<Option<Instant>>>,
}

/// What is still owed to whoever sent an event.
enum Due {
    Ack(Ack),
    /// No answer, but word of a refusal.
    Notice,
    Nothing,
}

#[derive(Serialize)]
struct Granted<'a, T> {
    ok: bool,
    #[serde(flatten)]
    ack: &'a T,
}
#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: Refusal<'a>,
}

impl Reply {
    /// The same reply, for whoever hears that it was never given.
    fn again(&self) -> Self {
        let Self { outbox, due, notices } = self;
        Self { outbox: outbox.clone(), due: due.clone(), notices: notices.clone() }
    }

    pub(super) fn grant(self, ack: &impl Serialize) {
        if let Due::Ack(sender) = self.take() {
            self.outbox.answer(sender, &Granted { ok: true, ack });
        }
    }

    /// Who did not ask for an answer hears of a refusal all the same. Every one is counted.
    pub(super) fn refuse(self, error: &Error) {
        if let Error::Internal(cause) = error {
            tracing::error!(cause = format!("{cause:#}"), "a request failed");
        }
        let error = error.refusal();
        self.outbox.link.count_rejected(error.code);
        match self.take() {
            Due::Ack(sender) => self.outbox.answer(sender, &Refused { ok: false, error }),
            Due::Notice => self.notice(&error),
            Due::Nothing => {}
        }
    }

    fn notice(&self, error: &Refusal<'_>) {
        let mut last = self.notices.lock();
        if last.is_none_or(|at| at.elapsed() >= NOTICE_EVERY) {
            *last = Some(Instant::now());
            if self.outbox.push(&Frame::new("error:notice", error)).is_err() {
                self.outbox.close(CloseReason::SlowConsumer);
            }
        }
    }

    fn take(&self) -> Due {
        std::mem::replace(&mut self.due.lock(), Due::Nothing)
    }
}

/// An event as it was read.
pub(super) struct Incoming {
    pub(super) text: String,
    pub(super) ack: Option<Ack>,
    pub(super) asked: Instant,
}

/// Whether somebody works on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Not before the first word to the client is on its way: no answer may overtake it.
    Held,
    Idle,
    Going,
}

struct Queue {
    waiting: VecDeque<Incoming>,
    work: Work,
    paused: bool,
    departed: bool,
}

/// The queue of one socket.
pub(super) struct Pipe {
    conversation: Arc<dyn Conversation>,
    outbox: Arc<SocketOutbox>,
    lifecycle: Lifecycle,
    most: usize,
    largest: usize,
    queue: Mutex<Queue>,
    notices: Arc<Mutex<Option<Instant>>>,
    gone: AtomicBool,
}

/// Bounds of a [`Pipe`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Events waiting; at it, reading pauses. What was read already is still taken: at most one
    /// read buffer of a WebSocket, or one polling body, more.
    pub(super) events: usize,
    /// Bytes of one event.
    pub(super) event: usize,
}

impl Pipe {
    pub(super) fn new(
        conversation: Arc<dyn Conversation>,
        outbox: Arc<SocketOutbox>,
        lifecycle: Lifecycle,
        bounds: Bounds,
    ) -> Arc<Self> {
        let queue =
            Queue { waiting: VecDeque::new(), work: Work::Held, paused: false, departed: false };
        Arc::new(Self {
            conversation,
            outbox,
            lifecycle,
            most: bounds.events,
            largest: bounds.event,
            queue: Mutex::new(queue),
            notices: Arc::default(),
            gone: AtomicBool::new(false),
        })
    }

    /// The first word is on its way; what came meanwhile may be answered.
    pub(super) fn start(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        if queue.work == Work::Held {
            queue.work = Work::Idle;
            self.go_on(&mut queue);
        }
    }

    pub(super) fn push(self: &Arc<Self>, incoming: Incoming) {
        let mut queue = self.queue.lock();
        queue.waiting.push_back(incoming);
        if queue.waiting.len() >= self.most && !queue.paused {
            queue.paused = true;
            self.link().pause();
        }
        self.go_on(&mut queue);
    }

    /// The socket is gone: what it said before is still done, then it departs.
    pub(super) fn depart(self: &Arc<Self>) {
        if self.gone.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut queue = self.queue.lock();
        if queue.work == Work::Held {
            queue.work = Work::Idle;
        }
        self.go_on(&mut queue);
    }

    fn go_on(self: &Arc<Self>, queue: &mut Queue) {
        let has_work = !queue.waiting.is_empty() || self.gone.load(Ordering::Acquire);
        if has_work && queue.work == Work::Idle && !queue.departed {
            queue.work = Work::Going;
            self.link().work_begins();
            let pipe = self.clone();
            self.lifecycle.spawn(async move { pipe.work().await });
        }
    }

    async fn work(self: Arc<Self>) {
        while let Some(incoming) = self.next() {
            let reply = self.reply(incoming.ack);
            let unanswered = reply.again();
            let heard = ASKED.scope(incoming.asked, self.hear(&incoming.text, reply));
            let heard = AssertUnwindSafe(heard).catch_unwind().await;
            if heard.is_err() {
                unanswered.refuse(&Error::Internal(anyhow::anyhow!("a handler panicked")));
            }
        }
    }

    /// The next event; none: there is no more, and the worker is no longer one.
    fn next(self: &Arc<Self>) -> Option<Incoming> {
        let mut queue = self.queue.lock();
        let next = queue.waiting.pop_front();
        if queue.paused && queue.waiting.len() <= self.most / 2 {
            queue.paused = false;
            self.link().resume();
        }
        if next.is_none() {
            queue.work = Work::Idle;
            self.link().work_ends();
            if self.gone.load(Ordering::Acquire) && !queue.departed {
                queue.departed = true;
                self.lifecycle.spawn(Self::depart_now(self.conversation.clone()));
            }
        }
        next
    }

    fn reply(&self, ack: Option<Ack>) -> Reply {
        let due = Arc::new(Mutex::new(ack.map_or(Due::Notice, Due::Ack)));
        Reply { outbox: self.outbox.clone(), due, notices: self.notices.clone() }
    }

    async fn hear(&self, text: &str, reply: Reply) {
        if text.len() > self.largest {
            reply.refuse(&Error::TooLarge {
                message: format!("an event is at most {} bytes", self.largest),
                field: None,
            });
            self.outbox.close(CloseReason::TooLarge);
            return;
        }
        match parse(text) {
            Ok((event, args)) => self.conversation.hear(&event, &args, reply).await,
            Err(error) => reply.refuse(&error),
        }
    }

    async fn depart_now(conversation: Arc<dyn Conversation>) {
        conversation.depart().await;
    }

    fn link(&self) -> &Link {
        &self.outbox.link
    }
}

impl Drop for Pipe {
    /// The library can drop a socket without ever saying that it is gone: when the session ends
    /// between the connect middleware and the CONNECT packet.
    fn drop(&mut self) {
        if !self.queue.get_mut().departed && tokio::runtime::Handle::try_current().is_ok() {
            self.lifecycle.spawn(Self::depart_now(self.conversation.clone()));
        }
    }
}

/// `["event", arg, …]` → its name and its arguments, untouched.
pub(super) fn parse(text: &str) -> Result<(String, Vec<&RawValue>), Error> {
    let mut parts: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| Error::bad_request("an event is one JSON array and nothing else"))?;
    if parts.is_empty() {
        return Err(Error::bad_request("an event begins with its name"));
    }
    let event = serde_json::from_str(parts.remove(0).get())
        .map_err(|_| Error::bad_request("an event's name is a text"))?;
    Ok((event, parts))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use http_body_util::BodyExt as _;
    use socketioxide::handler::ConnectHandler;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        config::Config,
        gateway::{
            Engine, build_engine,
            door::Door,
            socket::connect::{Arriving, wire},
        },
        telemetry::metrics::Metrics,
    };

    /// Panics at every other event.
    struct Jumpy(AtomicUsize);

    #[async_trait]
    impl Conversation for Jumpy {
        async fn hear(&self, _: &str, _: &[&RawValue], reply: Reply) {
            let heard = self.0.fetch_add(1, Ordering::Relaxed);
            assert!(heard % 2 == 1, "as it does");
            reply.grant(&crate::events::Done {});
        }
        async fn depart(&self) {}
    }

    async fn ask(engine: &Engine, method: Method, sid: &str, body: &'static str) -> String {
        let uri = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("content-type", "text/plain;charset=UTF-8");
        let answer = engine.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_event_whose_handler_panics_is_answered_and_the_next_one_too() {
        let config = Config::built_in();
        let (engine, io) = build_engine(&config);
        let lifecycle = Lifecycle::default();
        let (door, _ending) = Door::new(&config, lifecycle.clone(), Metrics::none());
        let seat = move |Arriving { socket, .. }: Arriving| {
            let link = door.link(socket.id, false, None);
            let door = door.clone();
            let outbox = SocketOutbox::new(&socket, link);
            let bounds = Bounds { events: 64, event: 1_024 };
            let jumpy = Arc::new(Jumpy(AtomicUsize::new(0)));
            let pipe = Pipe::new(jumpy, outbox, lifecycle.clone(), bounds);
            wire(&socket, &pipe, &door);
            pipe.start();
            async { Ok::<_, std::convert::Infallible>(()) }
        };
        io.ns("/", (async || {}).with(seat));

        let opened = ask(&engine, Method::GET, "", "").await;
        let sid = format!("&sid={}", opened.split('"').nth(3).unwrap());
        ask(&engine, Method::POST, &sid, "40").await;
        let connected = ask(&engine, Method::GET, &sid, "").await;
        ask(&engine, Method::POST, &sid, "421[\"x\"]\x1e422[\"x\"]\x1e42[\"x\"]").await;
        let mut heard = String::new();
        let all = async {
            while !heard.contains("error:notice") {
                heard += &ask(&engine, Method::GET, &sid, "").await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("all three are answered");

        assert!(connected.starts_with("40"), "{connected}");
        let first = heard.find(r#"431[{"ok":false,"error":{"code":"internal""#);
        let second = heard.find(r#"432[{"ok":true}]"#);
        assert!(first.is_some() && first < second, "{heard}");
    }
}
