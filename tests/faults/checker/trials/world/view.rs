//! The client rule (`delivery.md` §2.4), in miniature: what a client makes of what comes.
use std::collections::HashMap;

use super::room::{Read, Room};
use crate::records::{Cursor, Event, Line, Mid, Name};

pub(super) struct View {
    pub(super) room: Name,
    pub(super) is_joined: bool,
    pub(super) cursor: Option<Cursor>,
    mids: HashMap<u64, Mid>,
}

impl View {
    pub(super) fn new(room: Name) -> Self {
        Self { room, is_joined: false, cursor: None, mids: HashMap::new() }
    }

    pub(super) fn joined(
        &mut self,
        read: Read,
        since: Option<Cursor>,
        log: &Room,
        rule: bool,
    ) -> Vec<Event> {
        self.is_joined = true;
        let Read { page, lines, has_more, truncated, reset } = read;
        let mut events = vec![Event::Joined { page, since, has_more, truncated, reset }];
        if !rule {
            return events;
        }
        if since.is_none() || truncated || reset.is_some() {
            self.mids.clear();
        }
        events.extend(self.put(page.epoch, &lines));
        self.at(page.epoch, page.upto);
        if has_more {
            events.extend(self.fetch(log));
        }
        events
    }

    fn put(&mut self, epoch: Option<Name>, lines: &[Line]) -> Vec<Event> {
        for line in lines {
            self.mids.insert(line.seq, line.mid);
            self.at(epoch, line.seq);
        }
        lines.iter().map(|line| Event::Applied { line: *line }).collect()
    }

    fn at(&mut self, epoch: Option<Name>, seq: u64) {
        self.cursor = Some(Cursor { epoch, seq, mid: self.mids.get(&seq).copied() });
    }

    pub(super) fn hear(&mut self, line: Line, log: &Room, rule: bool) -> Vec<Event> {
        let not_yet = vec![Event::Heard { line, applied: false }];
        let (Some(cursor), true) = (self.cursor, rule && self.is_joined) else { return not_yet };
        let is_first = cursor.epoch.is_none() && line.seq == 1;
        let is_same_epoch = is_first || cursor.epoch == Some(line.epoch);
        if is_same_epoch && line.seq == cursor.seq + 1 {
            self.mids.insert(line.seq, line.mid);
            self.at(Some(line.epoch), line.seq);
            return vec![Event::Heard { line, applied: true }];
        }
        let is_known = self.mids.get(&line.seq).is_none_or(|mid| *mid == line.mid);
        if is_same_epoch && line.seq <= cursor.seq && is_known {
            return not_yet;
        }
        let more = if is_same_epoch && line.seq <= cursor.seq {
            self.forget(Name::new("diverged"), log)
        } else {
            self.fetch(log)
        };
        not_yet.into_iter().chain(more).collect()
    }

    pub(super) fn told_reset(&mut self, reason: Name, log: &Room, rule: bool) -> Vec<Event> {
        if rule && self.is_joined { self.forget(reason, log) } else { Vec::new() }
    }

    /// Reads everything after what it has; the log is looked at as it is now.
    fn fetch(&mut self, log: &Room) -> Vec<Event> {
        let Some(cursor) = self.cursor else { return Vec::new() };
        let mut read = log.since(cursor);
        if let Some(reason) = read.reset {
            return self.forget(reason, log);
        }
        if read.truncated {
            return self.anew(log);
        }
        let mut events = Vec::new();
        loop {
            events.push(Event::Paged { page: read.page, anew: false });
            events.extend(self.put(read.page.epoch, &read.lines));
            let Some(cursor) = self.cursor.filter(|_| read.has_more) else { return events };
            read = log.since(cursor);
        }
    }

    fn forget(&mut self, reason: Name, log: &Room) -> Vec<Event> {
        let mut events = vec![Event::Reset { room: self.room, reason }];
        events.extend(self.anew(log));
        events
    }

    fn anew(&mut self, log: &Room) -> Vec<Event> {
        let Read { page, lines, .. } = log.newest();
        self.mids.clear();
        let mut events = vec![Event::Paged { page, anew: true }];
        events.extend(self.put(page.epoch, &lines));
        self.at(page.epoch, page.upto);
        events
    }
}
