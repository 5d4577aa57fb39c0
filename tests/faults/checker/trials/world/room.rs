//! The miniature service's store: one room's log.
use std::collections::{HashMap, HashSet};

use super::super::super::History;
use crate::records::{Cursor, Line, Micros, Mid, Name, Page};

/// How many messages a page has.
const PAGE: usize = 12;

pub(super) struct Room {
    pub(super) name: Name,
    pub(super) epoch: Option<Name>,
    epochs: u32,
    /// All of this epoch, those that retention took included.
    pub(super) lines: Vec<Line>,
    /// The oldest number still kept.
    first: u64,
    /// Mids of the epoch, for which a retry is a `dup`.
    taken: HashSet<Mid>,
    /// What was lost, and where it stood.
    lost: HashMap<Mid, u64>,
}

/// What a join reads.
pub(super) struct Read {
    pub(super) page: Page,
    pub(super) lines: Vec<Line>,
    pub(super) has_more: bool,
    pub(super) truncated: bool,
    pub(super) reset: Option<Name>,
}

impl Room {
    pub(super) fn new(name: Name) -> Self {
        let (lines, taken, lost) = Default::default();
        Self { name, epoch: None, epochs: 0, lines, first: 1, taken, lost }
    }

    pub(super) fn head(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Puts a message in, unless it is there; says as which number, and whether it was.
    pub(super) fn append(&mut self, line: Line) -> (Line, bool) {
        if !self.taken.insert(line.mid) {
            let there = self.lines.iter().find(|there| there.mid == line.mid);
            return (*there.expect("what is taken is there"), true);
        }
        let name = self.name;
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.epochs += 1;
            Name::new(&format!("{name}-epoch-{}", self.epochs))
        });
        let line = Line { epoch, seq: self.head() + 1, ..line };
        self.lines.push(line);
        (line, false)
    }

    /// Whether this was lost and would now stand where it stood, by chance. Then no cursor could
    /// tell that what lies before it is not the same, so it may not happen.
    pub(super) fn would_repeat_itself(&self, line: &Line) -> bool {
        self.lost.get(&line.mid) == Some(&(self.head() + 1))
    }

    fn after(&self, seq: u64) -> &[Line] {
        let from = usize::try_from(seq).expect("a small number");
        self.lines.get(from..).unwrap_or_default()
    }

    fn page(&self, after: u64, upto: u64) -> Page {
        let (room, epoch) = (self.name, self.epoch);
        Page { room, epoch, head: self.head(), first: self.first, after, upto }
    }

    /// The newest page.
    pub(super) fn newest(&self) -> Read {
        let kept = self.after(self.first - 1);
        let lines = kept[kept.len().saturating_sub(PAGE)..].to_vec();
        let after = self.head() - lines.len() as u64;
        let page = self.page(after, self.head());
        Read { page, lines, has_more: false, truncated: false, reset: None }
    }

    /// What follows a cursor, by the rule of the service.
    pub(super) fn since(&self, cursor: Cursor) -> Read {
        let there = self.lines.iter().find(|line| line.seq == cursor.seq).map(|line| line.mid);
        let reset = |why| Read { reset: Some(Name::new(why)), ..self.newest() };
        if cursor.epoch != self.epoch && (cursor.epoch.is_some() || cursor.seq > 0) {
            reset("epoch_changed")
        } else if cursor.seq > self.head() {
            reset("rolled_back")
        } else if cursor.seq > 0 && cursor.mid.is_some_and(|mid| Some(mid) != there) {
            reset("diverged")
        } else if cursor.seq + 1 < self.first && cursor.seq < self.head() {
            Read { truncated: true, ..self.newest() }
        } else {
            let all = self.after(cursor.seq);
            let lines = all[..all.len().min(PAGE)].to_vec();
            let upto = cursor.seq + lines.len() as u64;
            let has_more = upto < self.head();
            let page = self.page(cursor.seq, upto);
            Read { page, lines, has_more, truncated: false, reset: None }
        }
    }

    pub(super) fn trim(&mut self, some: u64) {
        self.first = (self.first + some).min(self.head() + 1);
    }

    pub(super) fn empty(&mut self) {
        self.epoch = None;
        self.lines.clear();
        self.taken.clear();
        self.first = 1;
    }

    pub(super) fn roll_back(&mut self, some: usize) {
        for line in self.lines.split_off(self.lines.len().saturating_sub(some)) {
            self.taken.remove(&line.mid);
            self.lost.insert(line.mid, line.seq);
        }
    }

    pub(super) fn read(&self, at: Micros) -> History {
        let (room, epoch, head, first) = (self.name, self.epoch, self.head(), self.first);
        let entries = self.after(first - 1).to_vec();
        History { at, room, epoch, head, first, entries }
    }
}
