//! One Engine.IO session: what it has unsent, its pause, and its end, whichever transport it is on.
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use socketioxide::socket::Sid;
use tokio::sync::Notify;

use super::{Notice, backlog::Backlog, conn::Conn, door::Door, outbox::SocketOutbox, packet};
use crate::rooms::{CloseReason, Frame, Full, Outbox};

/// How long what was begun may take to be finished once a session is drained: longer than an
/// append may take.
const FINISHED_WITHIN: Duration = Duration::from_secs(3);
/// How long a last word may take to be written before the stream is ended all the same.
const LAST_WORD: Duration = Duration::from_millis(500);
/// The same for who reads slowly: what was sent already is then not sent again.
const SLOW_LAST_WORD: Duration = Duration::from_secs(5);
/// For so long nothing may stir before everything counts as written: what the library has taken
/// from us and what it has written are known to us only roughly.
const MOMENT: Duration = Duration::from_millis(50);
/// After how many looks a session that was to end is ended again.
const PATIENT_LOOKS: usize = 8;
/// How long a client has to hear that it is refused: the library says it, so what is written
/// cannot be told apart. Stock clients end the session by themselves well before.
const REFUSAL: Duration = Duration::from_millis(800);
/// When somebody who would not slow down may come back.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// How far the end of a session has come. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum End {
    Open,
    /// Nothing more is read from it; what was begun is finished and answered.
    Leaving,
    /// Nothing more is said to it.
    Closing,
}

/// Something to say, the two ways there are.
pub(super) trait Utterance {
    /// Bytes it takes, at least.
    fn size(&self) -> usize;
    /// As a frame of ours.
    fn packet(&self) -> Bytes;
    /// Hands it to the library.
    fn by_library(self) -> Result<(), Full>;
    /// Whose they are.
    fn outbox(&self) -> &SocketOutbox;
}

pub(super) struct Link {
    pub(super) sid: Sid,
    eio3: bool,
    door: Arc<Door>,
    /// The WebSocket's stream; none while the session polls.
    conn: Mutex<Option<Arc<Conn>>>,
    /// Its sockets, one for each namespace it is in: all are told why it ends.
    sockets: Mutex<Vec<Weak<SocketOutbox>>>,
    backlog: Mutex<Backlog>,
    pauses: AtomicUsize,
    resumed: Notify,
    written: Notify,
    /// How many of its sockets have events that are being worked on.
    at_work: AtomicUsize,
    rested: Notify,
    end: AtomicU8,
    gone: AtomicBool,
    /// How often it has been looked at since it began to close.
    looks: AtomicUsize,
    /// Held while a polling body is taken.
    pub(super) posting: tokio::sync::Mutex<()>,
}

impl Link {
    pub(super) fn new(sid: Sid, eio3: bool, door: Arc<Door>) -> Self {
        Self {
            sid,
            eio3,
            door,
            conn: Mutex::default(),
            sockets: Mutex::default(),
            backlog: Mutex::default(),
            pauses: AtomicUsize::new(0),
            resumed: Notify::new(),
            written: Notify::new(),
            at_work: AtomicUsize::new(0),
            rested: Notify::new(),
            end: AtomicU8::new(End::Open as u8),
            gone: AtomicBool::new(false),
            looks: AtomicUsize::new(0),
            posting: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn add(&self, socket: &Arc<SocketOutbox>) {
        let mut sockets = self.sockets.lock();
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(socket));
    }

    /// From now on the session is on this stream, unless it has one: the library takes one only.
    pub(super) fn attach(self: &Arc<Self>, conn: Arc<Conn>) {
        let mut attached = self.conn.lock();
        if attached.as_ref().is_some_and(|conn| !conn.has_ended()) {
            return;
        }
        conn.report_to(self);
        // A pause that began on polling goes on here.
        if self.pauses.load(Ordering::Acquire) > 0 {
            conn.pause();
        }
        *attached = Some(conn);
    }

    /// Says something to its client, whichever way it has to go: frames of ours go straight to
    /// the stream once everything that the library was handed for this socket is out, so that
    /// nothing overtakes. [`Full`]: there is too much unsent already, or some of it for too long;
    /// however large it is, one is always taken by who has nothing unsent, and a last word by all.
    pub(super) fn say(&self, words: impl Utterance, is_last: bool) -> Result<(), Full> {
        if self.is_closing() && !is_last {
            return Err(Full);
        }
        let conn = self.conn.lock();
        let Some(conn) = &*conn else {
            self.account(words.size(), (0, Duration::ZERO), is_last)?;
            return words.by_library();
        };
        let mut out = conn.out();
        let ours = out.unsent(Instant::now());
        if words.outbox().goes_direct(conn) {
            let frames = words.packet();
            self.is_room_for(frames.len(), ours, is_last)?;
            conn.push(&mut out, &frames);
            return Ok(());
        }
        self.account(words.size(), ours, is_last)?;
        if out.is_websocket() {
            words.outbox().hands_over(&mut out, &words.packet());
        }
        words.by_library()
    }

    /// Counts bytes that are about to be handed to the library.
    fn account(&self, bytes: usize, ours: (u64, Duration), is_last: bool) -> Result<(), Full> {
        self.is_room_for(bytes, ours, is_last)?;
        self.backlog.lock().push(bytes, Instant::now());
        Ok(())
    }

    fn is_room_for(&self, bytes: usize, ours: (u64, Duration), is_last: bool) -> Result<(), Full> {
        let (unsent, age) = self.unsent(ours);
        let is_too_much = unsent > 0 && self.door.is_too_much(unsent + bytes as u64, age);
        if is_too_much && !is_last { Err(Full) } else { Ok(()) }
    }

    /// What is unsent by both writers, and the age of the oldest of it.
    fn unsent(&self, (ours, age): (u64, Duration)) -> (u64, Duration) {
        let backlog = self.backlog.lock();
        (ours + backlog.unsent(), age.max(backlog.age(Instant::now())))
    }

    pub(super) fn unsent_now(&self) -> (u64, Duration) {
        let ours = self.conn.lock().as_ref().map(|conn| conn.out().unsent(Instant::now()));
        self.unsent(ours.unwrap_or_default())
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let mut backlog = self.backlog.lock();
        backlog.wrote(bytes);
        if backlog.unsent() == 0 {
            self.written.notify_waiters();
        }
    }

    pub(super) fn flushed(&self) {
        self.backlog.lock().flushed();
        self.written.notify_waiters();
    }

    /// Nothing of ours waits to be written.
    pub(super) fn has_written(&self) {
        self.written.notify_waiters();
    }

    /// Returns when everything that was said has been written.
    async fn all_written(&self) {
        loop {
            let stirred = self.written.notified();
            if self.unsent_now().0 > 0 {
                stirred.await;
            } else if tokio::time::timeout(MOMENT, stirred).await.is_err() {
                return;
            }
        }
    }

    pub(super) fn work_begins(&self) {
        self.at_work.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn work_ends(&self) {
        if self.at_work.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.rested.notify_waiters();
        }
    }

    /// Returns when everything that was heard from it has been answered.
    async fn at_rest(&self) {
        loop {
            let rested = self.rested.notified();
            if self.at_work.load(Ordering::Acquire) == 0 {
                return;
            }
            rested.await;
        }
    }

    /// Whether it should be closed as a slow consumer.
    fn is_slow(&self) -> bool {
        let (unsent, age) = self.unsent_now();
        self.door.is_too_much(unsent, age)
    }

    /// Whether something it says does not come to its end.
    fn is_unfinished(&self) -> bool {
        self.conn.lock().as_ref().is_some_and(|conn| self.door.is_unfinished(conn))
    }

    /// Stops reading from the client, until as many have resumed as have paused.
    pub(super) fn pause(&self) {
        let conn = self.conn.lock();
        if self.pauses.fetch_add(1, Ordering::AcqRel) == 0
            && let Some(conn) = &*conn
        {
            conn.pause();
        }
    }

    pub(super) fn resume(&self) {
        let conn = self.conn.lock();
        if self.pauses.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(conn) = &*conn {
                conn.resume();
            }
            self.resumed.notify_waiters();
        }
    }

    /// Returns when the session takes events, or is gone; what a polling request waits for.
    pub(super) async fn readable(&self) {
        loop {
            let resumed = self.resumed.notified();
            if self.pauses.load(Ordering::Acquire) == 0 || self.gone.load(Ordering::Acquire) {
                return;
            }
            resumed.await;
        }
    }

    /// Whether it is on a stream of its own; else it polls.
    pub(super) fn is_websocket(&self) -> bool {
        self.conn.lock().is_some()
    }

    pub(super) fn count_rejected(&self, code: &'static str) {
        self.door.count_rejected(code);
    }

    /// Whether it has been ended, and nothing more is taken from it.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn is_closing(&self) -> bool {
        self.end.load(Ordering::Acquire) == End::Closing as u8
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.end.load(Ordering::Acquire) != End::Open as u8
    }

    /// `false`: it had come so far already.
    fn comes_to(&self, end: End) -> bool {
        let is_new = self.end.fetch_max(end as u8, Ordering::AcqRel) < end as u8;
        if is_new
            && end == End::Closing
            && let Some(conn) = &*self.conn.lock()
        {
            conn.out().shut();
        }
        is_new
    }

    /// Tells a client that is drained when its transport will be closed.
    pub(super) fn tell_draining(&self, after: Duration) {
        self.tell(CloseReason::Draining, after, |socket, frame| {
            if socket.push(frame).is_err() {
                socket.close(CloseReason::SlowConsumer);
            }
        });
    }

    /// Ends the transport, so that stock clients come back by themselves. Before, what can still
    /// be said is said.
    pub(super) fn close(self: &Arc<Self>, reason: CloseReason) {
        let is_drained = reason == CloseReason::Draining;
        if !self.comes_to(if is_drained { End::Leaving } else { End::Closing }) {
            return;
        }
        self.door.count_close(reason);
        if reason != CloseReason::Refused {
            // What is not read stays with the client, which says it again where it comes to.
            self.pause();
        }
        let after = match reason {
            CloseReason::RateLimited | CloseReason::Kicked => Some(COOL_DOWN),
            // It was told before; a refusal is its own last word.
            CloseReason::Draining | CloseReason::Refused => None,
            _ => Some(Duration::ZERO),
        };
        if let Some(after) = after {
            self.tell(reason, after, SocketOutbox::say_last);
        }
        let link = self.clone();
        self.door.lifecycle.spawn(async move { link.finish(reason).await });
    }

    fn tell(&self, code: CloseReason, after: Duration, say: impl Fn(&SocketOutbox, &Frame)) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let notice = Notice::closing(code, after_ms);
        let sockets: Vec<_> = self.sockets.lock().iter().filter_map(Weak::upgrade).collect();
        for socket in sockets {
            say(&socket, &notice);
        }
    }

    /// Waits for what is still under way, each for so long and no longer, and ends it.
    async fn finish(&self, reason: CloseReason) {
        use tokio::time::timeout;
        let last_word = match reason {
            CloseReason::Refused => {
                tokio::time::sleep(REFUSAL).await;
                return self.end(false);
            }
            CloseReason::Draining => {
                timeout(FINISHED_WITHIN, self.at_rest()).await.ok();
                LAST_WORD
            }
            CloseReason::SlowConsumer => SLOW_LAST_WORD,
            _ => LAST_WORD,
        };
        let has_read = timeout(last_word, self.all_written()).await.is_ok();
        self.comes_to(End::Closing);
        if matches!(reason, CloseReason::RateLimited | CloseReason::Unfinished)
            && let Some(conn) = &*self.conn.lock()
        {
            conn.out().part(&packet::POLICY_VIOLATION);
        }
        self.end(reason == CloseReason::SlowConsumer && !has_read);
    }

    /// Looked at once a second. One that should long be gone is ended again: so many may have
    /// ended at once that this one found no place among them.
    pub(super) fn look(self: &Arc<Self>) {
        if self.is_closing() {
            if self.looks.fetch_add(1, Ordering::AcqRel) >= PATIENT_LOOKS {
                self.end(false);
            }
        } else if self.is_slow() {
            self.close(CloseReason::SlowConsumer);
        } else if self.is_unfinished() {
            self.close(CloseReason::Unfinished);
        }
    }

    /// `abruptly`: without leaving the system to deliver what the client does not take.
    fn end(&self, abruptly: bool) {
        match &*self.conn.lock() {
            Some(conn) => conn.kill(abruptly),
            None => self.door.end_session(self.sid, self.eio3),
        }
        self.gone.store(true, Ordering::Release);
        self.resumed.notify_waiters();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.door.forget(self.sid);
    }
}
