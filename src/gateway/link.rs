//! One Engine.IO session: what it has unsent, its pause, and its end, whichever transport it is on.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use socketioxide::socket::Sid;
use tokio::sync::Notify;

use super::{backlog::Backlog, conn::Conn, door::Door};
use crate::rooms::{CloseReason, Full};

/// How long a last word may take to be written before the stream is ended all the same.
const LAST_WORD: Duration = Duration::from_millis(500);
/// After how many looks a session that was to end is ended again.
const PATIENT_LOOKS: usize = 2;
/// How long a client has to hear that it is refused: the library says it, so what is written
/// cannot be told apart. Stock clients end the session by themselves well before.
const REFUSAL: Duration = Duration::from_millis(800);

pub(super) struct Link {
    pub(super) sid: Sid,
    eio3: bool,
    door: Arc<Door>,
    /// The WebSocket's stream; none while the session polls.
    conn: Mutex<Option<Arc<Conn>>>,
    backlog: Mutex<Backlog>,
    pauses: AtomicUsize,
    resumed: Notify,
    written: Notify,
    closing: AtomicBool,
    /// How often it has been looked at since.
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
            backlog: Mutex::default(),
            pauses: AtomicUsize::new(0),
            resumed: Notify::new(),
            written: Notify::new(),
            closing: AtomicBool::new(false),
            looks: AtomicUsize::new(0),
            posting: tokio::sync::Mutex::new(()),
        }
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

    /// Counts bytes that are about to be handed to the library. [`Full`]: there is too much
    /// unsent already, or some of it for too long.
    pub(super) fn account(&self, bytes: usize) -> Result<(), Full> {
        let now = Instant::now();
        let mut backlog = self.backlog.lock();
        if self.is_closing()
            || self.door.is_too_much(backlog.unsent() + bytes as u64, backlog.age(now))
        {
            return Err(Full);
        }
        backlog.push(bytes, now);
        Ok(())
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

    /// Returns when nothing is unsent.
    async fn all_written(&self) {
        loop {
            let written = self.written.notified();
            if self.backlog.lock().unsent() == 0 {
                return;
            }
            written.await;
        }
    }

    /// Whether it should be closed as a slow consumer.
    fn is_slow(&self, now: Instant) -> bool {
        let backlog = self.backlog.lock();
        self.door.is_too_much(backlog.unsent(), backlog.age(now))
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

    /// Returns when the session takes events; what a polling request waits for.
    pub(super) async fn readable(&self) {
        loop {
            let resumed = self.resumed.notified();
            if self.pauses.load(Ordering::Acquire) == 0 {
                return;
            }
            resumed.await;
        }
    }

    pub(super) fn count_rejected(&self, code: &'static str) {
        self.door.count_rejected(code);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends the transport now. Stock clients come back by themselves.
    pub(super) fn close(&self, reason: CloseReason) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.door.count_close(reason);
        self.end();
    }

    /// Ends the transport once the last word has been written, or soon.
    pub(super) fn close_after_last_word(self: &Arc<Self>, reason: CloseReason) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.door.count_close(reason);
        let link = self.clone();
        self.door.lifecycle.spawn(async move {
            if reason == CloseReason::Refused {
                tokio::time::sleep(REFUSAL).await;
            } else {
                tokio::time::timeout(LAST_WORD, link.all_written()).await.ok();
            }
            link.end();
        });
    }

    /// Looked at once a second. One that should long be gone is ended again: so many may have
    /// ended at once that this one found no place among them.
    pub(super) fn look(&self, now: Instant) {
        if self.is_closing() {
            if self.looks.fetch_add(1, Ordering::AcqRel) >= PATIENT_LOOKS {
                self.end();
            }
        } else if self.is_slow(now) {
            self.close(CloseReason::SlowConsumer);
        }
    }

    fn end(&self) {
        match &*self.conn.lock() {
            Some(conn) => conn.kill(),
            None => self.door.end_session(self.sid, self.eio3),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.door.forget(self.sid);
    }
}
