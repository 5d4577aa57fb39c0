//! What those read who come into a room, or catch up in it: from memory, or one of them from the
//! log for all.
//!
//! Who reads here is in the room already and what is heard meanwhile waits for it (subscribe, then
//! read), so it may be given whatever this node knows at this moment or later. A read is shared by
//! who comes after it, never by who came before: each looks into memory again when its turn comes.
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{
    Connection, Rooms,
    hosted::{Hosted, Phase},
    recent::{MOST_ENTRIES, Recent, is_too_much},
    tail::{Past, Tail, Want},
};
use crate::{
    clock,
    domain::{id::RoomId, position::Cursor},
    error::{Error, Outcome, Result},
    store::log::{LONGEST_PAGE, Page, Range},
    telemetry::Label,
};

/// How long somebody waits for others to read, and then for the store.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How far before what is asked for is read, for those who come next and have seen a little less.
const REACH_BACK: u64 = 50;

/// How often one reads before it gives up on memory: whether that can still be trusted, then what
/// lies before it.
const MOST_TURNS: usize = 2;

/// What is to be read so that memory can answer.
enum Missing {
    /// Everything from this number on, or (`None`) the newest page: there is nothing yet.
    All(Option<u64>),
    /// What follows this number, up to what there is.
    Before(u64),
    /// Whether the log still ends where it should.
    Trust,
    /// Nothing: memory can do no more for this.
    Nothing,
}

impl Rooms {
    /// The page after a cursor, or the newest one, for a member that does not hear yet.
    pub(super) async fn resume(
        &self,
        hosted: &Arc<Hosted>,
        since: Option<&Cursor>,
        limit: usize,
    ) -> Result<Past> {
        self.read(hosted, since.map_or(Want::Newest, Want::Since), limit).await
    }

    /// The page after a number, for a member that is still catching up with what it had missed
    /// when it came; none: it has caught up, and reads the log as it is now.
    pub async fn catch_up(
        &self,
        connection: &Connection,
        room: &RoomId,
        after: u64,
        limit: usize,
    ) -> Option<Result<Past>> {
        let hosted = self.hosted(room)?;
        if !hosted.state().members.is_behind(&connection.id, after) {
            return None;
        }
        Some(self.read(&hosted, Want::After(after), limit).await)
    }

    async fn read(&self, hosted: &Arc<Hosted>, want: Want<'_>, limit: usize) -> Result<Past> {
        if let Some(found) = self.recall(hosted, want, limit) {
            return Ok(found);
        }
        let read = tokio::time::timeout(READ_WITHIN, self.read_in_turn(hosted, want, limit));
        read.await.unwrap_or_else(|_| Err(Error::unavailable(Outcome::None)))
    }

    /// One reads, all others wait, and when it has read each looks again.
    async fn read_in_turn(
        &self,
        hosted: &Arc<Hosted>,
        want: Want<'_>,
        limit: usize,
    ) -> Result<Past> {
        let mut turns = 0;
        while turns < MOST_TURNS {
            let has_read = hosted.has_read.notified();
            if let Some(found) = self.recall(hosted, want, limit) {
                return Ok(found);
            }
            let Some(turn) = Turn::take(hosted) else {
                has_read.await;
                continue;
            };
            // Somebody may have read between the look and the turn.
            if let Some(found) = self.recall(hosted, want, limit) {
                return Ok(found);
            }
            turns += 1;
            let goes_on = match missing(hosted, want) {
                Missing::All(from) => {
                    if let Some(found) = self.read_all(hosted, from, (want, limit)).await? {
                        return Ok(found);
                    }
                    false
                }
                Missing::Before(from) => self.read_before(hosted, from).await?,
                Missing::Trust => self.look_again(hosted).await?,
                Missing::Nothing => false,
            };
            drop(turn);
            if !goes_on {
                break;
            }
        }
        self.ask_the_log(hosted, want, limit).await
    }

    /// What is known without the store.
    fn recall(&self, hosted: &Hosted, want: Want<'_>, limit: usize) -> Option<Past> {
        let rules = (&self.0.parts.retention, clock::now_ms());
        let given = {
            let mut state = hosted.state();
            if state.phase != Phase::Live {
                return None;
            }
            let recent = state.recent.as_mut()?;
            recent.is_trusted(Instant::now()).then(|| recent.give(want, limit, rules))??
        };
        self.count("memory");
        Some(given)
    }

    /// Reads to the log's end, answers from that, and keeps it. None: it cannot answer.
    async fn read_all(
        &self,
        hosted: &Arc<Hosted>,
        from: Option<u64>,
        (want, limit): (Want<'_>, usize),
    ) -> Result<Option<Past>> {
        let recording = Recording::begin(hosted);
        let read = match from {
            None => Some(Tail::newest(self.page(hosted, Range::Newest).await?)),
            Some(from) => self.read_pages(hosted, from, u64::MAX).await?,
        };
        let Some(tail) = read else { return Ok(None) };
        // As the log was a moment ago, which may be more than was heard yet.
        let given = tail.give(want, limit, (&self.0.parts.retention, clock::now_ms()));
        recording.keep(self, tail);
        Ok(given)
    }

    /// Reads what lies before what is here. `false`: it does not fit.
    async fn read_before(&self, hosted: &Arc<Hosted>, from: u64) -> Result<bool> {
        let Some(upto) = hosted.state().recent.as_ref().map(|recent| recent.tail().after()) else {
            return Ok(true);
        };
        let Some(before) = self.read_pages(hosted, from, upto).await? else { return Ok(false) };
        let mut state = hosted.state();
        let is_same = state.track.epoch() == before.head().map(|head| &head.epoch);
        let Some(recent) = state.recent.as_mut().filter(|recent| recent.tail().after() == upto)
        else {
            return Ok(true);
        };
        let fits = is_same && recent.reaches_back(before);
        if !fits {
            state.recent = None;
        }
        Ok(fits)
    }

    /// What follows a number, up to another one or to the end. None: it is too much, or the log
    /// has become another one meanwhile.
    async fn read_pages(&self, hosted: &Hosted, from: u64, upto: u64) -> Result<Option<Tail>> {
        let page = self.page(hosted, Range::After(from)).await?;
        let mut more = page.more_after;
        let mut tail = Tail::of(from, page);
        while more && tail.last() < upto {
            let page = self.page(hosted, Range::After(tail.last())).await?;
            more = page.more_after && !page.entries.is_empty();
            if !tail.read_on(page) || is_too_much(&tail) {
                return Ok(None);
            }
        }
        Ok(Some(tail))
    }

    /// Looks whether the log still ends where it should. `false`: it does not.
    async fn look_again(&self, hosted: &Arc<Hosted>) -> Result<bool> {
        let position = hosted.state().track.last();
        let page = self.page(hosted, Range::After(position)).await?;
        let is_deaf = {
            let mut state = hosted.state();
            let is_same = state.track.epoch() == page.head.as_ref().map(|head| &head.epoch);
            let ends = page.head.as_ref().map_or(0, |head| head.seq);
            let Some(recent) = state.recent.as_mut() else { return Ok(true) };
            let is_deaf = recent.is_deaf();
            if is_same && ends >= position && !is_deaf {
                recent.renew(ends, page.first, Instant::now());
                return Ok(true);
            }
            state.recent = None;
            is_deaf || is_same && ends < position
        };
        if is_deaf {
            self.repair(hosted, "join");
        }
        Ok(false)
    }

    async fn page(&self, hosted: &Hosted, range: Range) -> Result<Page> {
        let _one_of_few = self.one_of_few().await?;
        self.count("store");
        self.0.parts.log.page(&hosted.room, range, LONGEST_PAGE).await
    }

    /// As if there were no memory.
    async fn ask_the_log(&self, hosted: &Hosted, want: Want<'_>, limit: usize) -> Result<Past> {
        let _one_of_few = self.one_of_few().await?;
        self.count("store");
        let log = &self.0.parts.log;
        let range = match want {
            Want::Since(cursor) => {
                return Ok(log.since(&hosted.room, cursor, limit).await?.into());
            }
            Want::After(seq) => Range::After(seq),
            Want::Newest => Range::Newest,
        };
        Ok(log.page(&hosted.room, range, limit).await?.into())
    }

    async fn one_of_few(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.0.reads.acquire().await.map_err(|_| Error::Draining)
    }

    fn count(&self, from: &'static str) {
        self.0.parts.metrics.join_reads.add(1, &[Label::new("from", from)]);
    }
}

fn missing(hosted: &Hosted, want: Want<'_>) -> Missing {
    let state = hosted.state();
    if state.phase != Phase::Live {
        return Missing::Nothing;
    }
    let from = match want {
        Want::Since(cursor) => Some(cursor.seq.get()),
        Want::After(seq) => Some(seq),
        Want::Newest => None,
    };
    let last = state.track.last();
    if from.is_some_and(|from| from + MOST_ENTRIES as u64 <= last + REACH_BACK || from > last) {
        return Missing::Nothing;
    }
    let from = from.map(|from| from.saturating_sub(REACH_BACK));
    match &state.recent {
        None => Missing::All(from),
        Some(recent) if !recent.is_trusted(Instant::now()) => Missing::Trust,
        Some(recent) => {
            let from = from.unwrap_or_else(|| last.saturating_sub(LONGEST_PAGE as u64));
            if from < recent.tail().after() { Missing::Before(from) } else { Missing::Nothing }
        }
    }
}

/// The turn to read a room's log. When it is over, those who wait look again.
struct Turn<'a>(&'a Hosted);

impl<'a> Turn<'a> {
    fn take(hosted: &'a Hosted) -> Option<Self> {
        let is_taken = hosted.reading.swap(true, Ordering::AcqRel);
        // Lazily: one that is dropped ends the turn of whoever has it.
        (!is_taken).then(|| Self(hosted))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.reading.store(false, Ordering::Release);
        self.0.has_read.notify_waiters();
    }
}

/// What is heard while the log is read, so that both can be put together.
struct Recording<'a> {
    hosted: &'a Arc<Hosted>,
    /// The room's position when it began.
    position: u64,
}

impl<'a> Recording<'a> {
    fn begin(hosted: &'a Arc<Hosted>) -> Self {
        let mut state = hosted.state();
        state.recording = Some(Vec::new());
        Self { hosted, position: state.track.last() }
    }

    /// Keeps what was read and what was heard since, up to the room's position.
    fn keep(self, rooms: &Rooms, mut tail: Tail) {
        let mut state = self.hosted.state();
        // None: more was heard than can be kept, or the log is another one.
        let Some(heard) = state.recording.take() else { return };
        let ends = tail.head().map_or(0, |head| head.seq);
        let is_same = state.track.epoch() == tail.head().map(|head| &head.epoch);
        if !is_same || ends < self.position {
            return;
        }
        // What was read is ignored where it is heard as well.
        for entry in &heard {
            tail.hear(entry);
        }
        if let Some(head) = state.track.head() {
            tail.end_at(head);
        }
        state.recent = Recent::new(tail, ends, &rooms.0.budget, Instant::now());
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.hosted.state().recording = None;
    }
}
