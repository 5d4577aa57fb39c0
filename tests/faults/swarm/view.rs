//! The client rule (`delivery.md` §2.4) for one room: what is applied, held, asked for, forgotten.
use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::words::{Head, History, Joined};
use crate::records::{Cursor, Event, Line, Mid, Name, Page, Recorder};

/// The longest page there is.
const PAGE: u64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not in the room, on this connection.
    Out,
    Joining,
    /// A page is on its way.
    Paging,
    Live,
}

/// What is to be asked next, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Nothing,
    /// The page after this number.
    After(u64),
    /// The newest page: the list begins anew.
    Newest,
}

pub(super) struct View {
    pub(super) room: Name,
    pub(super) state: State,
    /// `None`: there is no list, or it was forgotten.
    cursor: Option<Cursor>,
    /// What stands in the list.
    mids: HashMap<u64, Mid>,
    /// What came out of turn.
    held: BTreeMap<u64, Line>,
}

impl View {
    pub(super) fn new(room: Name) -> Self {
        let (mids, held) = Default::default();
        Self { room, state: State::Out, cursor: None, mids, held }
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The connection is gone; the list stays.
    pub(super) fn away(&mut self) {
        self.state = State::Out;
        self.held.clear();
    }

    /// What to ask in order to come in.
    pub(super) fn join(&mut self, pen: &Recorder) -> (Value, Option<Cursor>) {
        self.state = State::Joining;
        let since = self.cursor;
        pen.note(Event::Joining { room: self.room, since });
        (json!({ "room": self.room, "since": since, "limit": PAGE }), since)
    }

    /// What to ask for a page.
    pub(super) fn page(&mut self, want: Want) -> Option<Value> {
        let after = match want {
            Want::Nothing => return None,
            Want::After(seq) => Some(seq),
            Want::Newest => None,
        };
        self.state = State::Paging;
        Some(json!({ "room": self.room, "after": after, "limit": PAGE }))
    }

    /// What is missing now, if it must be asked for again.
    pub(super) fn missing(&self) -> Want {
        self.cursor.map_or(Want::Newest, |cursor| Want::After(cursor.seq))
    }

    pub(super) fn joined(&mut self, said: &Joined, since: Option<Cursor>, pen: &Recorder) -> Want {
        let anew = since.is_none() || said.truncated || said.reset;
        // Forgotten while it was on its way.
        if !anew && self.cursor.is_none() {
            return Want::Newest;
        }
        let lines: Vec<Line> = said.messages.iter().map(super::words::Message::line).collect();
        let page = Page {
            room: self.room,
            epoch: said.epoch.as_deref().map(Name::new),
            head: said.head,
            first: said.first,
            after: match since {
                Some(since) if !anew => since.seq,
                _ => before(&lines, said.upto),
            },
            upto: said.upto,
        };
        let reset = said.reset.then(|| Name::new(said.reason.as_deref().unwrap_or("not said")));
        let (has_more, truncated) = (said.has_more, said.truncated);
        pen.note(Event::Joined { page, since, has_more, truncated, reset });
        self.put(page, anew, &lines, pen);
        self.after_page(has_more, pen)
    }

    /// A page that was asked for has come.
    pub(super) fn paged(&mut self, said: &History, asked: Want, pen: &Recorder) -> Want {
        let epoch = said.epoch.as_deref().map(Name::new);
        if let (Want::After(after), Some(cursor)) = (asked, self.cursor) {
            if cursor.epoch.is_some() && cursor.epoch != epoch {
                return self.forget("epoch_changed", pen);
            }
            if said.head < after {
                return self.forget("rolled_back", pen);
            }
            // What follows is no longer kept, and the newest page is what there is.
            if said.first > after + 1 && said.head > after {
                self.cursor = None;
                return Want::Newest;
            }
        }
        let lines: Vec<Line> = said.messages.iter().map(super::words::Message::line).collect();
        let upto = match lines.last() {
            Some(last) if said.more_after => last.seq,
            _ => said.head,
        };
        // Forgotten while a page of the old list was on its way: the newest has been asked for.
        let anew = asked == Want::Newest;
        if !anew && self.cursor.is_none() {
            return Want::Nothing;
        }
        let after = match asked {
            Want::After(after) => after,
            _ => before(&lines, upto),
        };
        let (head, first) = (said.head, said.first);
        let page = Page { room: self.room, epoch, head, first, after, upto };
        pen.note(Event::Paged { page, anew });
        self.put(page, anew, &lines, pen);
        self.after_page(said.more_after, pen)
    }

    fn put(&mut self, page: Page, anew: bool, lines: &[Line], pen: &Recorder) {
        if anew {
            self.mids.clear();
            self.cursor = None;
        }
        let last = self.cursor.map_or(0, |cursor| cursor.seq);
        for line in lines.iter().filter(|line| anew || line.seq > last) {
            self.mids.insert(line.seq, line.mid);
            pen.note(Event::Applied { line: *line });
        }
        let upto = page.upto.max(if anew { 0 } else { last });
        let mid = self.mids.get(&upto).copied();
        self.cursor = Some(Cursor { epoch: page.epoch, seq: upto, mid });
    }

    fn after_page(&mut self, has_more: bool, pen: &Recorder) -> Want {
        if has_more {
            return self.missing();
        }
        self.state = State::Live;
        let held = std::mem::take(&mut self.held);
        for (seq, line) in held {
            let Some(cursor) = self.cursor else { break };
            // Held before the page came, which has had the last word on what is older.
            if cursor.epoch != Some(line.epoch) && cursor.epoch.is_some() {
                continue;
            }
            if seq == cursor.seq + 1 {
                self.apply(&line);
                pen.note(Event::Applied { line });
            } else if seq > cursor.seq {
                self.held.insert(seq, line);
            } else if self.mids.get(&seq).is_some_and(|mid| *mid != line.mid) {
                return self.forget("diverged", pen);
            }
        }
        if self.held.is_empty() { Want::Nothing } else { self.missing() }
    }

    /// `message:new` has come.
    pub(super) fn hear(&mut self, line: Line, pen: &Recorder) -> Want {
        let held = match (self.state, self.cursor) {
            (State::Live, Some(cursor)) => return self.judge(line, cursor, pen),
            (State::Out, _) => false,
            _ => true,
        };
        pen.note(Event::Heard { line, applied: false });
        if held {
            self.held.insert(line.seq, line);
        }
        Want::Nothing
    }

    fn judge(&mut self, line: Line, cursor: Cursor, pen: &Recorder) -> Want {
        let is_same_epoch = cursor.epoch == Some(line.epoch);
        let is_first = cursor.epoch.is_none() && line.seq == 1;
        if (is_same_epoch || is_first) && line.seq == cursor.seq + 1 {
            self.apply(&line);
            pen.note(Event::Heard { line, applied: true });
            return Want::Nothing;
        }
        pen.note(Event::Heard { line, applied: false });
        if !is_same_epoch && cursor.epoch.is_some() {
            return self.forget("epoch_changed", pen);
        }
        if line.seq > cursor.seq {
            self.held.insert(line.seq, line);
            return self.missing();
        }
        if self.mids.get(&line.seq) == Some(&line.mid) {
            return Want::Nothing;
        }
        self.forget("diverged", pen)
    }

    fn apply(&mut self, line: &Line) {
        self.mids.insert(line.seq, line.mid);
        let (epoch, seq, mid) = (Some(line.epoch), line.seq, Some(line.mid));
        self.cursor = Some(Cursor { epoch, seq, mid });
    }

    /// `room:head` has come.
    pub(super) fn told_head(&mut self, head: &Head, pen: &Recorder) -> Want {
        let (State::Live, Some(cursor)) = (self.state, self.cursor) else { return Want::Nothing };
        if cursor.epoch.is_some_and(|epoch| epoch.as_str() != head.epoch) {
            return self.forget("epoch_changed", pen);
        }
        if head.seq > cursor.seq {
            return self.missing();
        }
        let is_same = match (self.mids.get(&head.seq), head.mid.as_deref()) {
            (Some(known), Some(told)) => known.as_str() == told,
            _ => true,
        };
        if is_same { Want::Nothing } else { self.forget("diverged", pen) }
    }

    /// What is in the list is not this log's past.
    pub(super) fn forget(&mut self, reason: &str, pen: &Recorder) -> Want {
        pen.note(Event::Reset { room: self.room, reason: Name::new(reason) });
        self.cursor = None;
        self.mids.clear();
        self.held.clear();
        match self.state {
            // The page that comes begins anew anyway; one that was asked for otherwise is dropped.
            State::Out | State::Joining => Want::Nothing,
            State::Paging | State::Live => Want::Newest,
        }
    }
}

/// The number before a newest page.
fn before(lines: &[Line], upto: u64) -> u64 {
    lines.first().map_or(upto, |line| line.seq - 1)
}
