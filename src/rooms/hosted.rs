//! One room on this node: its members, its position, and what is held while the log is read.
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use super::{
    Connection, READY_WITHIN, Rooms, Words,
    members::{Members, Speech},
    recent::Recent,
    tail::Past,
    typing::Typing,
};
use crate::{
    adapter::Listening,
    domain::{
        id::{ConnectionId, Epoch, RoomId},
        message::Entry,
        position::{Cursor, Track},
        presence::Diff,
    },
    error::{Error, Outcome, Result},
};

/// Entries held while the log is read; past it they are let go, and the log is read again.
const MOST_HELD: usize = 1_000;

/// Whether what arrives can be handed out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not yet listening, or its position is not yet known.
    Opening,
    /// Dense and in order.
    Live,
    /// Something is missing; the log is being read.
    Repairing,
}

pub(super) struct Hosted {
    pub(super) room: RoomId,
    words: Arc<dyn Words>,
    state: Mutex<State>,
    /// Whether its position is known.
    opened: watch::Sender<bool>,
    /// Whether somebody reads the log, for all who wait for it.
    pub(super) reading: AtomicBool,
    /// Told when it has been read.
    pub(super) has_read: Notify,
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) track: Track,
    pub(super) members: Members,
    pub(super) typing: Typing,
    /// Presence changes that wait to be told together.
    pub(super) pending: Option<Diff>,
    held: VecDeque<Arc<Entry>>,
    /// More arrived than could be held: what the log says is all there is.
    overflowed: bool,
    listening: Option<Listening>,
    closed: bool,
    /// The end of the log, while somebody asks for it.
    pub(super) recent: Option<Recent>,
    /// What is handed out while somebody reads the log.
    pub(super) recording: Option<Vec<Arc<Entry>>>,
    /// When entries were last written to its members, and whether somebody will do so.
    pub(super) written: Option<Instant>,
    pub(super) is_to_write: bool,
    pub(super) last_entry: Option<Instant>,
    pub(super) last_beacon: Option<Instant>,
    /// What was said here and not heard here yet, and since when.
    pub(super) unheard: Option<(u64, Instant)>,
}

impl Hosted {
    pub(super) fn new(room: RoomId, words: Arc<dyn Words>) -> Arc<Self> {
        let state = State {
            phase: Phase::Opening,
            track: Track::default(),
            members: Members::default(),
            typing: Typing::default(),
            pending: None,
            held: VecDeque::new(),
            overflowed: false,
            listening: None,
            closed: false,
            recent: None,
            recording: None,
            written: None,
            is_to_write: false,
            last_entry: None,
            last_beacon: None,
            unheard: None,
        };
        Arc::new(Self {
            room,
            words,
            state: Mutex::new(state),
            opened: watch::Sender::new(false),
            reading: AtomicBool::new(false),
            has_read: Notify::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn buffer(&self, connection: &Arc<Connection>, most: usize) -> bool {
        self.state().members.buffer(connection, most, &self.speech())
    }

    pub(super) fn speech(&self) -> Speech<'_> {
        Speech { room: &self.room, words: &*self.words }
    }

    /// Takes a member out; `true`: it was the last.
    pub(super) fn remove(&self, id: &ConnectionId) -> bool {
        let mut state = self.state();
        state.members.remove(id, &self.speech());
        state.members.is_empty()
    }

    /// Nobody is here any more: stops listening and repairing.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.listening = None;
        state.forget();
    }

    /// Its position is known; listening goes on until it closes.
    pub(super) fn opened(&self) {
        self.opened.send_replace(true);
    }

    pub(super) fn keep(&self, listening: Listening) {
        let mut state = self.state();
        if !state.closed {
            state.listening = Some(listening);
        }
    }

    async fn until_opened(&self) -> bool {
        let mut opened = self.opened.subscribe();
        tokio::time::timeout(READY_WITHIN, opened.wait_for(|opened| *opened)).await.is_ok()
    }
}

impl State {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn hold(&mut self, entry: Arc<Entry>) {
        if self.held.len() == MOST_HELD {
            self.held.clear();
            self.overflowed = true;
        }
        self.held.push_back(entry);
    }

    pub(super) fn next_held(&mut self) -> Option<Arc<Entry>> {
        self.held.pop_front()
    }

    /// An entry was handed out, the next one.
    pub(super) fn note(&mut self, entry: &Arc<Entry>) {
        if self.recent.as_mut().is_some_and(|recent| !recent.hear(entry)) {
            self.recent = None;
        }
        match &mut self.recording {
            Some(recording) if recording.len() < MOST_HELD => recording.push(entry.clone()),
            recording => *recording = None,
        }
    }

    /// What was read of the log is not what the log is now.
    pub(super) fn forget(&mut self) {
        self.recent = None;
        self.recording = None;
    }

    /// Whether held entries had to be let go since the last time this was asked.
    pub(super) fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }
}

/// A connection that is in a room but does not hear yet. Dropped without going live, one that was
/// not a member before leaves again.
pub struct Entered {
    rooms: Rooms,
    hosted: Arc<Hosted>,
    connection: Arc<Connection>,
    was_member: bool,
    live: bool,
}

impl Entered {
    pub(super) fn new(
        rooms: Rooms,
        hosted: Arc<Hosted>,
        connection: Arc<Connection>,
        was_member: bool,
    ) -> Self {
        Self { rooms, hosted, connection, was_member, live: false }
    }

    /// Returns when whatever is said from now on will be heard here.
    pub async fn ready(&self) -> Result<()> {
        if self.hosted.until_opened().await {
            Ok(())
        } else {
            Err(Error::unavailable(Outcome::None))
        }
    }

    pub fn was_member(&self) -> bool {
        self.was_member
    }

    /// What lies after `since` when it can be gone on from, else the newest page. What comes after
    /// that is kept for it.
    pub async fn read(&self, since: Option<&Cursor>, limit: usize) -> Result<Past> {
        self.rooms.resume(&self.hosted, since, limit).await
    }

    /// From now on it hears: what waited and lies after what it has `read`, then everything. The
    /// log's `head` was what it was told; until there it catches up.
    pub fn go_live(mut self, read: Option<&(Epoch, u64)>, head: u64) {
        self.live = true;
        let speech = self.hosted.speech();
        let mut state = self.hosted.state();
        if !state.members.go_live(&self.connection.id, (read, head), &speech) {
            super::repair::beacon(&mut state, &speech);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.live {
            return;
        }
        if self.was_member {
            // A second join that failed: it goes on hearing as before, and fetches what it missed.
            let mut state = self.hosted.state();
            state.members.go_live(&self.connection.id, (None, 0), &self.hosted.speech());
        } else {
            self.rooms.leave(&self.connection, &self.hosted.room);
        }
    }
}
