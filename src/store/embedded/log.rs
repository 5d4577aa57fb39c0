//! The log: appends go to the writer, reads see what is committed.
use async_trait::async_trait;
use redb::{ReadOnlyTable, ReadTransaction};

use super::{
    EmbeddedStore,
    append::{Rules, time_of},
    tables::{ENTRIES, Fault, Meta, ROOMS, entry_key, meta_of, unseal},
    writer::Request,
};
use crate::{
    adapter::envelope,
    clock,
    domain::{
        durability::Durability,
        id::{MessageId, RoomId},
        message::{Entry, Message},
        position::{Continuity, Cursor, Head, ResetReason, Span, continuity},
    },
    error::Result,
    store::log::{Appended, LARGEST_PAGE, LONGEST_PAGE, Log, Page, Range, Resumed},
    telemetry::traces,
};

#[async_trait]
impl Log for EmbeddedStore {
    async fn append(&self, message: &Message) -> Result<Appended> {
        let _span = traces::part("redb");
        self.ask(|reply| Request::Append(message.clone(), traces::here(), reply)).await
    }

    fn durability(&self) -> Durability {
        if self.disk.is_lasting() { Durability::Disk } else { Durability::None }
    }

    async fn page(&self, room: &RoomId, range: Range, limit: usize) -> Result<Page> {
        let room = room.clone();
        self.read(move |logs| logs.room(&room)?.page(range, limit)).await
    }

    async fn since(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Resumed> {
        let (room, cursor) = (room.clone(), cursor.clone());
        self.read(move |logs| logs.room(&room)?.since(&cursor, limit)).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<Head>>> {
        let rooms = rooms.to_vec();
        self.read(move |logs| {
            let head = |room| Ok(logs.meta(room)?.map(|meta| meta.to_head()));
            rooms.iter().map(head).collect()
        })
        .await
    }

    async fn mid_at(&self, room: &RoomId, seq: u64) -> Result<Option<MessageId>> {
        let room = room.clone();
        self.read(move |logs| logs.room(&room)?.mid_at(seq)).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>> {
        let after = after.cloned();
        self.read(move |logs| logs.list(after.as_ref(), limit)).await
    }
}

/// All logs as they were at one moment.
pub(super) struct Logs {
    rooms: ReadOnlyTable<&'static str, &'static [u8]>,
    entries: ReadOnlyTable<(&'static str, u64), &'static [u8]>,
    rules: Rules,
    oldest: Option<u64>,
}

impl Logs {
    pub(super) fn open(txn: &ReadTransaction, rules: Rules) -> Result<Self, Fault> {
        let (rooms, entries) = (txn.open_table(ROOMS)?, txn.open_table(ENTRIES)?);
        Ok(Self { rooms, entries, rules, oldest: rules.oldest(clock::now_ms()) })
    }

    fn meta(&self, room: &RoomId) -> Result<Option<Meta>, Fault> {
        meta_of(&self.rooms, &self.entries, room)
    }

    fn room<'a>(&'a self, room: &'a RoomId) -> Result<RoomLog<'a>, Fault> {
        let Some(meta) = self.meta(room)? else {
            return Ok(RoomLog { logs: self, room, meta: None, first: 1 });
        };
        let first = self.first(room, &meta)?;
        Ok(RoomLog { logs: self, room, meta: Some(meta), first })
    }

    /// The oldest number kept: appends trim a bounded number at a time, and none trims a room
    /// that has gone quiet, so what is past its time may still be stored.
    fn first(&self, room: &RoomId, meta: &Meta) -> Result<u64, Fault> {
        let mut low = meta.first.max(self.rules.lowest(meta.head));
        let Some(oldest) = self.oldest else { return Ok(low) };
        let mut high = meta.head + 1;
        let mut middle = low;
        while low < high {
            if self.time(room, middle)? < oldest {
                low = middle + 1;
            } else {
                high = middle;
            }
            middle = low + (high - low) / 2;
        }
        Ok(low)
    }

    fn time(&self, room: &RoomId, seq: u64) -> Result<u64, Fault> {
        self.text(room, seq, |text| time_of(text).ok_or("its time"))
    }

    /// Reads the envelope at a number that must be there.
    fn text<T>(
        &self,
        room: &RoomId,
        seq: u64,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<T, Fault> {
        let key = entry_key(room, seq);
        let row = self.entries.get((room.as_str(), seq))?;
        let row = row.ok_or_else(|| Fault::Damaged(format!("{key} is missing")))?;
        read(unseal(&key, row.value())?)
            .map_err(|what| Fault::Damaged(format!("{what} of {key} cannot be read")))
    }

    fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>, Fault> {
        let after = after.map_or("", RoomId::as_str);
        let mut list = Vec::new();
        for row in self.rooms.range(after..)? {
            let (key, value) = row?;
            if list.len() >= limit {
                break;
            }
            if key.value() != after {
                let damaged = |_| Fault::Damaged("a room's name cannot be read".to_owned());
                let room: RoomId = key.value().parse().map_err(damaged)?;
                Meta::read(&room, value.value())?;
                if room.is_public() {
                    list.push(room);
                }
            }
        }
        Ok(list)
    }
}

/// One room's log at that moment.
struct RoomLog<'a> {
    logs: &'a Logs,
    room: &'a RoomId,
    /// `None`: nobody has ever written here.
    meta: Option<Meta>,
    first: u64,
}

impl RoomLog<'_> {
    fn since(&self, cursor: &Cursor, limit: usize) -> Result<Resumed, Fault> {
        let Some(meta) = &self.meta else {
            // Whoever has seen an epoch here has seen a log that is no more.
            let fresh = cursor.epoch.is_none() && cursor.seq.get() == 0;
            let reset = (!fresh).then_some(ResetReason::EpochChanged);
            return Ok(Resumed { page: self.empty(), truncated: false, reset });
        };
        let seq = cursor.seq.get();
        let mid_there = self.mid_at(seq)?;
        let head = meta.to_head();
        let span = Span { head: &head, first: self.first, mid_there: mid_there.as_ref() };
        Ok(match continuity(cursor, &span) {
            Continuity::Continuous => {
                let page = self.page(Range::After(seq), limit)?;
                Resumed { page, truncated: false, reset: None }
            }
            Continuity::Truncated => {
                let page = self.page(Range::Newest, limit)?;
                Resumed { page, truncated: true, reset: None }
            }
            Continuity::Reset(reason) => {
                let page = self.page(Range::Newest, limit)?;
                Resumed { page, truncated: false, reset: Some(reason) }
            }
        })
    }

    fn mid_at(&self, seq: u64) -> Result<Option<MessageId>, Fault> {
        match &self.meta {
            Some(meta) if (self.first..=meta.head).contains(&seq) => {
                Ok(Some(self.entry(meta, seq)?.0.mid))
            }
            _ => Ok(None),
        }
    }

    fn page(&self, range: Range, limit: usize) -> Result<Page, Fault> {
        let Some(meta) = &self.meta else { return Ok(self.empty()) };
        let (first, head) = (self.first, meta.head);
        let limit = limit.clamp(1, LONGEST_PAGE);
        let up_to = |seq: u64| (first..=seq.min(head)).rev();
        let entries = match range {
            Range::Newest => self.backward(meta, up_to(head), (limit, LARGEST_PAGE))?.0,
            Range::Before(seq) => {
                self.backward(meta, up_to(seq.saturating_sub(1)), (limit, LARGEST_PAGE))?.0
            }
            Range::After(seq) => {
                let numbers = seq.saturating_add(1).max(first)..=head;
                self.take(meta, numbers, (limit, LARGEST_PAGE))?.0
            }
            Range::Around(seq) => {
                // The half before may take what the other has left of the bytes.
                let numbers = seq.max(first)..=head;
                let half = (limit - limit / 2, LARGEST_PAGE / 2);
                let (after, bytes) = self.take(meta, numbers, half)?;
                let room_left = (limit / 2, LARGEST_PAGE.saturating_sub(bytes));
                let numbers = up_to(seq.saturating_sub(1));
                let (mut entries, _) = self.backward(meta, numbers, room_left)?;
                entries.extend(after);
                entries
            }
        };
        let is_kept = first <= head;
        // An empty page lies beyond one end of what is kept.
        let (more_before, more_after) = match (entries.first(), entries.last()) {
            (Some(a), Some(z)) => (a.position.seq > first, z.position.seq < head),
            _ => match range {
                Range::Before(_) => (false, is_kept),
                _ => (is_kept, false),
            },
        };
        Ok(Page { entries, head: Some(meta.to_head()), first, more_before, more_after })
    }

    fn empty(&self) -> Page {
        Page { first: self.first, ..Page::default() }
    }

    fn backward(
        &self,
        meta: &Meta,
        numbers: impl Iterator<Item = u64>,
        most: (usize, usize),
    ) -> Result<(Vec<Entry>, usize), Fault> {
        let (mut entries, bytes) = self.take(meta, numbers, most)?;
        entries.reverse();
        Ok((entries, bytes))
    }

    /// The entries at these numbers, at most so many and so many bytes of them, and how many
    /// bytes it came to. The first is taken however large it is.
    fn take(
        &self,
        meta: &Meta,
        numbers: impl Iterator<Item = u64>,
        (count, largest): (usize, usize),
    ) -> Result<(Vec<Entry>, usize), Fault> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for seq in numbers.take(count) {
            let (entry, size) = self.entry(meta, seq)?;
            if bytes + size > largest && !entries.is_empty() {
                break;
            }
            bytes += size;
            entries.push(entry);
        }
        Ok((entries, bytes))
    }

    /// The entry at a number that must be there, and its size.
    fn entry(&self, meta: &Meta, seq: u64) -> Result<(Entry, usize), Fault> {
        let (entry, size) = self.logs.text(self.room, seq, |text| {
            let entry = envelope::read_entry(self.room, text).map_err(|_| "the envelope")?;
            Ok((entry, text.len()))
        })?;
        if entry.position.seq != seq || entry.position.epoch != meta.epoch {
            let key = entry_key(self.room, seq);
            return Err(Fault::Damaged(format!("{key} holds another position")));
        }
        Ok((entry, size))
    }
}
