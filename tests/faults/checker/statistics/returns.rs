//! How long clients that lost their connection were away, and how long until they had everything.
use super::{super::index::Index, Selection};
use crate::records::{Event, Micros, Name};

#[derive(Default)]
pub(super) struct Returns {
    pub(super) back: Vec<Micros>,
    pub(super) complete: Vec<Micros>,
    pub(super) never_complete: u64,
}

/// A client's absence, being watched.
#[derive(Default)]
struct Absence {
    /// When the connection was lost; lost again before all was caught up, it is the same absence.
    since: Option<Micros>,
    is_connected: bool,
    /// It had all rooms again, and that was counted.
    is_back: bool,
    /// Rooms it was in; each until it is joined again, and then until its list has this number.
    rooms: Vec<(Name, Option<u64>)>,
}

pub(super) fn returns(index: &Index<'_>, of: &Selection, selected: &[bool]) -> Returns {
    let mut returns = Returns::default();
    for (client, _) in selected.iter().enumerate().filter(|(_, is_selected)| **is_selected) {
        let (mut absence, mut rooms) = (Absence::default(), Vec::new());
        for record in index.records(client) {
            note_rooms(&record.event, &mut rooms);
            match &record.event {
                Event::Disconnected { .. }
                    if absence.since.is_some() || of.time.contains(&record.at) =>
                {
                    absence.lost(record.at, &rooms);
                }
                Event::Closed => absence = Absence::default(),
                event => absence.note(event),
            }
            absence.end(record.at, &mut returns);
        }
        returns.never_complete += u64::from(absence.since.is_some());
    }
    returns
}

fn note_rooms(event: &Event, rooms: &mut Vec<Name>) {
    match event {
        Event::Joined { page, .. } if !rooms.contains(&page.room) => rooms.push(page.room),
        Event::Left { room } => rooms.retain(|other| other != room),
        _ => {}
    }
}

impl Absence {
    fn lost(&mut self, at: Micros, rooms: &[Name]) {
        self.since.get_or_insert(at);
        self.is_connected = false;
        self.rooms = rooms.iter().map(|room| (*room, None)).collect();
    }

    fn note(&mut self, event: &Event) {
        if self.since.is_none() {
            return;
        }
        match event {
            // Back where it had joined nothing, there is nothing to wait for.
            Event::Connected { .. } => self.is_connected = true,
            Event::Joined { page, has_more, .. } => {
                let reaches = if *has_more { page.head } else { 0 };
                let rooms = self.rooms.iter_mut().filter(|(room, _)| *room == page.room);
                rooms.for_each(|(_, head)| *head = Some(reaches));
            }
            Event::Paged { page, .. } => self.reached(page.room, page.upto),
            Event::Heard { line, applied: true } | Event::Applied { line } => {
                self.reached(line.room, line.seq);
            }
            Event::Left { room } => self.rooms.retain(|(other, _)| other != room),
            _ => {}
        }
    }

    fn reached(&mut self, room: Name, seq: u64) {
        let rooms = self.rooms.iter_mut().filter(|(other, _)| *other == room);
        for (_, head) in rooms {
            if head.is_some_and(|head| head <= seq) {
                *head = Some(0);
            }
        }
    }

    /// Whether it is over, or half over, by what was noted at this moment.
    fn end(&mut self, at: Micros, returns: &mut Returns) {
        let Some(since) = self.since.filter(|_| self.is_connected) else { return };
        if !self.is_back && self.rooms.iter().all(|(_, head)| head.is_some()) {
            returns.back.push(at - since);
            self.is_back = true;
        }
        if self.rooms.iter().all(|(_, head)| *head == Some(0)) {
            returns.complete.push(at - since);
            *self = Self::default();
        }
    }
}
