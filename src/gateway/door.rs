//! The door itself: the sessions that are open, whether new ones may come in, and how one is ended
//! from outside the library.
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{body::Body, http::Request};
use parking_lot::Mutex;
use socketioxide::socket::Sid;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::{Engine, conn::Conn, link::Link};
use crate::{
    config::{Config, limits::Limits},
    lifecycle::Lifecycle,
    policy::admission::Admission,
    rooms::CloseReason,
    telemetry::{Label, metrics::Metrics},
};

/// Sessions that wait to be ended in-process. More than that are ended by the next look for slow
/// ones, or by their own ping timeout.
const MOST_ENDING: usize = 4_096;
/// How often sessions are looked at that nothing is sent to any more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Door {
    pub(super) lifecycle: Lifecycle,
    pub(super) admission: Admission,
    /// How often a client that is made to wait gets a sign of life.
    pub(super) sign_of_life: Duration,
    limits: Limits,
    message_timeout: Duration,
    metrics: Metrics,
    sessions: Mutex<Sessions>,
    ending: mpsc::Sender<(Sid, bool)>,
    shut: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    links: HashMap<Sid, Weak<Link>>,
    /// Streams opened to take over a polling session.
    upgrades: HashMap<Sid, Weak<Conn>>,
    /// What opened each session: its program's word for itself, as a hash.
    openers: HashMap<Sid, u64>,
}

impl Door {
    pub(super) fn new(
        config: &Config,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> (Arc<Self>, mpsc::Receiver<(Sid, bool)>) {
        let (ending, ended) = mpsc::channel(MOST_ENDING);
        let door = Self {
            lifecycle,
            admission: Admission::new(&config.server, &config.limits),
            sign_of_life: config.engine.ping_timeout / 2,
            limits: config.limits.clone(),
            message_timeout: config.engine.message_timeout,
            metrics,
            sessions: Mutex::default(),
            ending,
            shut: AtomicBool::new(false),
        };
        (Arc::new(door), ended)
    }

    /// No new sessions from now on.
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    pub(super) fn is_too_much(&self, unsent: u64, age: Duration) -> bool {
        unsent > self.limits.unsent_bytes.as_u64() || age > self.limits.unsent_age
    }

    pub(super) fn idle_frames(&self) -> NonZeroU32 {
        self.limits.idle_frames
    }

    /// Whether a message has been on its way on this stream for too long.
    pub(super) fn is_unfinished(&self, conn: &Conn) -> bool {
        conn.is_unfinished_for(self.message_timeout, Instant::now())
    }

    pub(super) fn count_close(&self, reason: CloseReason) {
        let label: &'static str = reason.into();
        self.metrics.closed.add(1, &[Label::new("reason", label)]);
        if reason == CloseReason::SlowConsumer {
            self.metrics.slow_closed.add(1, &[]);
        }
    }

    pub(super) fn count_connect(&self, result: &'static str) {
        self.metrics.connects.add(1, &[Label::new("result", result)]);
    }

    pub(super) fn count_disconnect(&self, reason: &'static str) {
        self.metrics.disconnects.add(1, &[Label::new("reason", reason)]);
    }

    /// Says how many there are, and how much of what they were sent they have not taken.
    pub(super) fn measure(&self) {
        let links = self.links();
        let websockets = links.iter().filter(|link| link.is_websocket()).count();
        for (transport, count) in [("websocket", websockets), ("polling", links.len() - websockets)]
        {
            self.metrics.connections.record(count as u64, &[Label::new("transport", transport)]);
        }
        let mut unsent: Vec<u64> = links.iter().map(|link| link.unsent_now().0).collect();
        unsent.sort_unstable();
        for (quantile, at) in [("0.99", unsent.len() * 99 / 100), ("1", unsent.len())] {
            let bytes = unsent.get(at.max(1) - 1).copied().unwrap_or_default();
            self.metrics.outbound_bytes.record(bytes, &[Label::new("quantile", quantile)]);
        }
    }

    pub(super) fn count_refused(&self, reason: &'static str) {
        self.metrics.handshake_refused.add(1, &[Label::new("reason", reason)]);
    }

    pub(super) fn count_rejected(&self, code: &'static str) {
        self.metrics.inbound_rejected.add(1, &[Label::new("code", code)]);
    }

    /// The session's link, made at its first namespace. `own` is the stream of a session that
    /// began as a WebSocket; one that began with polling may have been taken over already.
    pub(super) fn link(
        self: &Arc<Self>,
        sid: Sid,
        eio3: bool,
        own: Option<Arc<Conn>>,
    ) -> Arc<Link> {
        let mut sessions = self.sessions.lock();
        if let Some(link) = sessions.links.get(&sid).and_then(Weak::upgrade) {
            return link;
        }
        let link = Arc::new(Link::new(sid, eio3, self.clone()));
        if let Some(conn) = own.or_else(|| sessions.upgrades.get(&sid).and_then(Weak::upgrade)) {
            link.attach(conn);
        }
        sessions.links.insert(sid, Arc::downgrade(&link));
        link
    }

    /// From now on the session is its opener's.
    pub(super) fn bind(&self, sid: Sid, opener: u64) {
        self.sessions.lock().openers.insert(sid, opener);
    }

    /// Whether a polling request of this program may be the session's: who has found out a session's
    /// secret has not found out what it was opened by.
    pub(super) fn is_bound_to(&self, sid: Sid, opener: u64) -> bool {
        self.sessions.lock().openers.get(&sid).is_none_or(|bound| *bound == opener)
    }

    pub(super) fn find(&self, sid: Sid) -> Option<Arc<Link>> {
        self.sessions.lock().links.get(&sid).and_then(Weak::upgrade)
    }

    /// A stream was opened to take over a polling session.
    pub(super) fn taken_over(&self, sid: Sid, eio3: bool, conn: &Arc<Conn>) {
        conn.takes_over(sid, eio3);
        let link = {
            let mut sessions = self.sessions.lock();
            sessions.upgrades.insert(sid, Arc::downgrade(conn));
            sessions.links.get(&sid).and_then(Weak::upgrade)
        };
        if let Some(link) = link {
            link.attach(conn.clone());
        }
    }

    pub(super) fn stream_ended(&self, sid: Sid, eio3: bool) {
        self.sessions.lock().upgrades.remove(&sid);
        self.end_session(sid, eio3);
    }

    pub(super) fn forget(&self, sid: Sid) {
        let mut sessions = self.sessions.lock();
        if sessions.links.get(&sid).is_some_and(|link| link.strong_count() == 0) {
            sessions.links.remove(&sid);
            sessions.openers.remove(&sid);
        }
    }

    pub(super) fn end_session(&self, sid: Sid, eio3: bool) {
        if self.ending.try_send((sid, eio3)).is_err() {
            tracing::debug!("too many sessions end at once; this one ends later");
        }
    }

    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        self.sessions.lock().links.values().filter_map(Weak::upgrade).collect()
    }

    /// Closes those that do not read, also when nothing more is sent to them, and those whose message
    /// does not come to its end. Until the hard stop.
    pub(super) async fn watch_for_slow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for link in self.links() {
                link.look();
            }
        }
    }
}

/// Ends sessions by handing the library an Engine.IO close packet, as their client would.
pub(super) async fn end_sessions(engine: Engine, mut ending: mpsc::Receiver<(Sid, bool)>) {
    while let Some((sid, eio3)) = ending.recv().await {
        let packet = if eio3 { "1:1" } else { "1" };
        // Its answer says whether the session was still there; either way it is gone now.
        engine.clone().oneshot(packet_of(sid, eio3, packet)).await.ok();
    }
}

/// What a polling client would send.
pub(super) fn packet_of(sid: Sid, eio3: bool, packet: &'static str) -> Request<Body> {
    let version = if eio3 { 3 } else { 4 };
    Request::post(format!("/socket.io/?EIO={version}&transport=polling&sid={}", sid.as_str()))
        .header("content-type", "text/plain;charset=UTF-8")
        .body(Body::from(packet))
        .expect("a session id is part of a valid address")
}
