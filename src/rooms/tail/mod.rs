//! The end of a room's log as a value: what is read is put into it, what is heard follows, and it
//! answers as the log would, where it can know.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    domain::{
        id::MessageId,
        message::Entry,
        position::{Continuity, Cursor, Head, ResetReason, Span, continuity},
    },
    store::log::{LARGEST_PAGE, Page, Resumed},
};

/// What an entry takes beside its text, about: names, ids, and what JSON puts around them.
const BESIDE_TEXT: usize = 400;

/// What the store keeps: as many entries, and (unless zero) for as long.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub messages: u64,
    pub age: Duration,
}

/// What somebody asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want<'a> {
    /// What follows a cursor, if it can be followed; else the newest.
    Since(&'a Cursor),
    /// What follows a number.
    After(u64),
    /// The newest.
    Newest,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<Entry>,
    /// Bytes in a page, at most.
    size: usize,
}

impl Kept {
    fn seq(&self) -> u64 {
        self.entry.position.seq
    }
}

/// A page of the past. It shares its entries with whoever else asked for them.
#[derive(Debug, Default)]
pub struct Past {
    pub entries: Vec<Arc<Entry>>,
    /// `None`: nobody has ever written in this room.
    pub head: Option<Head>,
    /// The oldest number still kept.
    pub first: u64,
    pub more_before: bool,
    pub more_after: bool,
    /// What came right after the cursor is gone; this is the newest page.
    pub truncated: bool,
    /// The cursor's past is not this log's past; this is the newest page.
    pub reset: Option<ResetReason>,
}

impl From<Page> for Past {
    fn from(page: Page) -> Self {
        let Page { entries, head, first, more_before, more_after } = page;
        let entries = entries.into_iter().map(Arc::new).collect();
        Self { entries, head, first, more_before, more_after, truncated: false, reset: None }
    }
}

impl From<Resumed> for Past {
    fn from(Resumed { page, truncated, reset }: Resumed) -> Self {
        Self { truncated, reset, ..page.into() }
    }
}

/// Only the store knows.
struct Unknown;

/// The end of a log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// All that is kept after this number is here.
    after: u64,
    entries: VecDeque<Kept>,
    /// Where the log ends; `None`: nobody has ever written in it.
    head: Option<Head>,
    /// The oldest number kept, when the log was looked into.
    first: u64,
    bytes: usize,
}

impl Tail {
    /// What follows `after`, as far as a page goes.
    pub(super) fn of(after: u64, page: Page) -> Self {
        let mut tail = Self { after, head: page.head, first: page.first, ..Self::default() };
        page.entries.into_iter().for_each(|entry| tail.push(Arc::new(entry)));
        tail
    }

    /// The newest page, which may begin anywhere.
    pub(super) fn newest(page: Page) -> Self {
        let after = match page.entries.first() {
            Some(oldest) if page.more_before => oldest.position.seq - 1,
            _ => 0,
        };
        Self::of(after, page)
    }

    pub(super) fn after(&self) -> u64 {
        self.after
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The last number that was read; what follows it was not, or is not there.
    pub(super) fn last(&self) -> u64 {
        self.entries.back().map_or(self.after, Kept::seq)
    }

    /// The oldest number kept, as the store said just now.
    pub(super) fn begins_at(&mut self, first: u64) {
        self.first = first;
    }

    /// The page that follows this; `false`: it is of another log.
    pub(super) fn read_on(&mut self, page: Page) -> bool {
        let same = page.head.as_ref().map(|h| &h.epoch) == self.head.as_ref().map(|h| &h.epoch);
        if same {
            (self.head, self.first) = (page.head, page.first);
            page.entries.into_iter().for_each(|entry| self.push(Arc::new(entry)));
        }
        same
    }

    /// The next entry was heard: it ends the log now. One that was read already changes nothing.
    pub(super) fn hear(&mut self, entry: &Arc<Entry>) {
        if self.head.as_ref().is_some_and(|head| entry.position.seq <= head.seq) {
            return;
        }
        let epoch = entry.position.epoch.clone();
        let seq = entry.position.seq;
        self.head = Some(Head { epoch, seq, mid: Some(entry.mid.clone()) });
        self.push(entry.clone());
    }

    fn push(&mut self, entry: Arc<Entry>) {
        if entry.position.seq > self.last() {
            let size = size(&entry);
            self.bytes += size;
            self.entries.push_back(Kept { entry, size });
        }
    }

    /// Forgets what lies after a position, which is heard in time, and makes that its end.
    pub(super) fn end_at(&mut self, head: Head) {
        while self.entries.back().is_some_and(|kept| kept.seq() > head.seq) {
            self.bytes -= self.entries.pop_back().map_or(0, |kept| kept.size);
        }
        self.head = Some(head);
    }

    /// Puts what was read before it, which reaches it, before this.
    pub(super) fn prepend(&mut self, before: Self) {
        for kept in before.entries.into_iter().filter(|kept| kept.seq() <= self.after).rev() {
            self.bytes += kept.size;
            self.entries.push_front(kept);
        }
        self.after = before.after.min(self.after);
        self.first = before.first;
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the log would say, if that can be known from here.
    pub(super) fn give(
        &self,
        want: Want<'_>,
        limit: usize,
        (retention, now_ms): (&Retention, u64),
    ) -> Option<Past> {
        let Some(head) = &self.head else { return given_of_nothing(want) };
        let first = self.first_at(head, retention, now_ms);
        match want {
            Want::Newest => self.newest_page(limit, head, first),
            Want::After(seq) => self.page_after(seq, limit, head, first),
            Want::Since(cursor) => {
                let mid_there = self.mid_at(cursor, head, first).ok()?;
                let span = Span { head, first, mid_there };
                let reset = match continuity(cursor, &span) {
                    Continuity::Continuous => {
                        return self.page_after(cursor.seq.get(), limit, head, first);
                    }
                    Continuity::Truncated => None,
                    Continuity::Reset(reason) => Some(reason),
                };
                let newest = self.newest_page(limit, head, first)?;
                Some(Past { truncated: reset.is_none(), reset, ..newest })
            }
        }
    }

    /// The mid at a cursor, as the store would find it.
    fn mid_at(
        &self,
        cursor: &Cursor,
        head: &Head,
        first: u64,
    ) -> Result<Option<&MessageId>, Unknown> {
        let seq = cursor.seq.get();
        if cursor.epoch.as_ref().is_some_and(|epoch| *epoch != head.epoch) {
            return Ok(None);
        }
        if seq > head.seq || (seq == head.seq && head.mid.is_none() && cursor.mid.is_some()) {
            // The log may know more than we have heard.
            return Err(Unknown);
        }
        let is_elsewhere = seq != head.seq && seq <= self.after && seq >= first && seq > 0;
        if is_elsewhere {
            return Err(Unknown);
        }
        let at = self.entries.partition_point(|kept| kept.seq() < seq);
        let there = self.entries.get(at).filter(|kept| kept.seq() == seq && seq >= first);
        Ok(there.map(|kept| &kept.entry.mid))
    }

    /// The oldest number kept by now.
    fn first_at(&self, head: &Head, retention: &Retention, now_ms: u64) -> u64 {
        let lowest = (head.seq + 1).saturating_sub(retention.messages.max(1));
        let first = self.first.max(lowest).max(1);
        let age = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
        let born = now_ms.saturating_sub(age);
        // Where the oldest is not here, it is as old as it was when the log was looked into.
        if age == 0 || first <= self.after {
            return first;
        }
        let mut kept = self.entries.iter().filter(|kept| kept.seq() >= first);
        kept.find(|kept| kept.entry.ts >= born).map_or(head.seq + 1, Kept::seq)
    }

    fn page_after(&self, seq: u64, limit: usize, head: &Head, first: u64) -> Option<Past> {
        if seq < self.after && first <= self.after || seq > head.seq {
            return None;
        }
        let from = self.entries.partition_point(|kept| kept.seq() <= seq.max(first - 1));
        let following = self.entries.range(from..);
        Some(given(fitting(following, limit), (first, head), Some(seq)))
    }

    fn newest_page(&self, limit: usize, head: &Head, first: u64) -> Option<Past> {
        let from = self.entries.partition_point(|kept| kept.seq() < first);
        let here = self.entries.len() - from;
        let mut entries = fitting(self.entries.range(from..).rev(), limit);
        let is_all_that_is_kept = first > self.after;
        if entries.len() == here && here < limit && !is_all_that_is_kept {
            return None;
        }
        entries.reverse();
        Some(given(entries, (first, head), None))
    }
}

/// As many as may be on a page. The first is taken however large it is.
fn fitting<'a>(entries: impl Iterator<Item = &'a Kept>, limit: usize) -> Vec<Arc<Entry>> {
    let mut bytes = 0;
    let fits = entries.take(limit).take_while(|kept| {
        bytes += kept.size;
        bytes <= LARGEST_PAGE || bytes == kept.size
    });
    fits.map(|kept| kept.entry.clone()).collect()
}

/// Entries as a page, and how it lies in the log.
fn given(entries: Vec<Arc<Entry>>, (first, head): (u64, &Head), after: Option<u64>) -> Past {
    let seq = |entry: Option<&Arc<Entry>>| entry.map(|entry| entry.position.seq);
    let more_before = match (seq(entries.first()), after) {
        (Some(seq), _) => seq > first,
        (None, Some(after)) => first <= after.min(head.seq),
        (None, None) => false,
    };
    let more_after = seq(entries.last()).is_some_and(|seq| seq < head.seq);
    Past { entries, head: Some(head.clone()), first, more_before, more_after, ..Past::default() }
}

/// In a room nobody has written in only a reader of nothing can go on.
fn given_of_nothing(want: Want<'_>) -> Option<Past> {
    let reset = match want {
        Want::Since(cursor) if cursor.epoch.is_some() || cursor.seq.get() > 0 => {
            Some(ResetReason::EpochChanged)
        }
        Want::After(seq) if seq > 0 => return None,
        _ => None,
    };
    Some(Past { first: 1, reset, ..Past::default() })
}

/// What an entry takes in a page, at most.
fn size(entry: &Entry) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    let name = entry.author.person.name.as_deref().unwrap_or_default();
    BESIDE_TEXT + name.len() + entry.text.as_str().bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests;
