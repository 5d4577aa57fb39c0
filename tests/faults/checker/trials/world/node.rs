//! The miniature service's nodes: what they do with a request, and what they tell.
use std::collections::BTreeSet;

use rand::RngExt;

use super::{Action, MS, SECOND, World, room::Read};
use crate::records::{Cursor, Line, Micros, Mid, Name, Outcome};

/// How long somebody who is gone is still shown.
const GRACE: Micros = 5 * SECOND;

pub(super) enum Request {
    Send { n: u32, line: Line },
    Join { room: Name, since: Option<Cursor> },
    Ask { asked_at: Micros, room: Option<Name>, asked: Vec<Name> },
}

pub(super) enum Packet {
    Ok { n: u32, line: Line, dup: bool },
    No { n: u32, room: Name, mid: Mid, why: Refusal },
    Joined { read: Read, since: Option<Cursor> },
    Line(Line),
    Reset { room: Name, reason: Name },
    Seen { asked_at: Micros, room: Option<Name>, asked: Vec<Name>, users: Vec<Name> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing happened.
    Unavailable,
    /// It may have happened.
    Unknown,
    /// Never.
    TooLarge,
}

impl Refusal {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unavailable | Self::Unknown => "unavailable",
            Self::TooLarge => "too_large",
        }
    }

    pub(super) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Unavailable => Some(Outcome::None),
            Self::Unknown => Some(Outcome::Unknown),
            Self::TooLarge => None,
        }
    }
}

impl World {
    /// When what goes over a connection now arrives, if nothing overtakes.
    fn arrival(&mut self, before: Micros, node: Name) -> Micros {
        let at = before.max(self.now + self.choices.random_range(MS..200 * MS));
        if node == self.nodes[2] && self.still.contains(&at) { self.still.end } else { at }
    }

    pub(super) fn request(&mut self, person: usize, request: Request) {
        let Some(link) = self.people[person].link else { return };
        let at = self.arrival(link.up, link.node);
        if let Some(link) = &mut self.people[person].link {
            link.up = at;
        }
        self.at(at, Action::Serve(person, link.number, request));
    }

    pub(super) fn push(&mut self, person: usize, packet: Packet) {
        let Some(link) = self.people[person].link else { return };
        let at = self.arrival(link.down, link.node);
        if let Some(link) = &mut self.people[person].link {
            link.down = at;
        }
        self.at(at, Action::Arrive(person, link.number, packet));
    }

    /// Who has joined a room, and is connected.
    pub(super) fn members(&self, room: Name) -> Vec<usize> {
        let is_member =
            |person: &usize| self.people[*person].link.is_some() && self.is_in(*person, room);
        (0..self.people.len()).filter(is_member).collect()
    }

    fn is_in(&self, person: usize, room: Name) -> bool {
        self.people[person].served.contains(&room)
    }

    pub(super) fn serve(&mut self, person: usize, connection: u32, request: Request) {
        let is_there = self.people[person].link.is_some_and(|link| link.number == connection);
        match request {
            // What was under way when the connection was lost may have arrived.
            Request::Send { n, line } if is_there || self.chance(50) => {
                self.take(person, (n, line), is_there);
            }
            Request::Join { room, since } if is_there => {
                self.people[person].served.push(room);
                let log = self.room(room);
                let read = since.map_or_else(|| log.newest(), |since| log.since(since));
                self.push(person, Packet::Joined { read, since });
            }
            Request::Ask { asked_at, room, asked } if is_there => {
                let users = self.shown(room).into_iter().collect();
                self.push(person, Packet::Seen { asked_at, room, asked, users });
            }
            _ => {}
        }
    }

    fn take(&mut self, person: usize, (n, line): (u32, Line), is_there: bool) {
        let (room, mid) = (line.room, line.mid);
        let why = match self.choices.random_range(0..100) {
            0..8 => Refusal::Unavailable,
            8..12 => {
                // It happens later, maybe after others that were sent after it.
                self.after(0..2 * SECOND, Action::Land(line));
                Refusal::Unknown
            }
            _ if self.room(room).would_repeat_itself(&line) => Refusal::Unavailable,
            12..15 => {
                self.append(line);
                Refusal::Unknown
            }
            15..18 => Refusal::Unknown,
            18..19 if self.people.iter().filter(|each| each.has(&mid)).count() == 1 => {
                Refusal::TooLarge
            }
            _ => {
                let (line, dup) = self.append(line);
                if is_there {
                    self.push(person, Packet::Ok { n, line, dup });
                }
                return;
            }
        };
        if is_there {
            self.push(person, Packet::No { n, room, mid, why });
        }
    }

    /// Into the log, and to all members; but now and then the hint is lost, or comes twice.
    pub(super) fn append(&mut self, line: Line) -> (Line, bool) {
        let (line, dup) = self.room(line.room).append(line);
        if !dup {
            for person in self.members(line.room) {
                let times = match self.choices.random_range(0..100) {
                    0..3 if self.now < self.quiet => 0,
                    3..6 => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    self.push(person, Packet::Line(line));
                }
            }
        }
        (line, dup)
    }

    /// Who is shown in a room, or online.
    pub(super) fn shown(&self, room: Option<Name>) -> BTreeSet<Name> {
        let is_here = |person: &usize| match room {
            Some(room) => self.people[*person].link.is_some() && self.is_in(*person, room),
            None => self.people[*person].link.is_some(),
        };
        let here = (0..self.people.len()).filter(is_here).map(|person| self.people[person].user);
        let lingering =
            self.lingering.iter().filter(|(place, _, until)| *place == room && *until > self.now);
        here.chain(lingering.map(|(_, user, _)| *user)).collect()
    }

    /// The node's side of a connection is gone.
    pub(super) fn vanish(&mut self, person: usize) {
        let (user, until) = (self.people[person].user, self.now + GRACE);
        for room in std::mem::take(&mut self.people[person].served) {
            self.lingering.push((Some(room), user, until));
        }
        self.lingering.push((None, user, until));
    }
}
