//! The miniature service's clients: they lose connections, come back, retry, and write everything down.
use rand::{RngExt, seq::IndexedRandom};

use super::{
    Action, MS, SECOND, World,
    node::{Packet, Refusal, Request},
    view::View,
};
use crate::records::{Client, Event, Line, Micros, Mid, Name, Record, text_hash};

/// A connection, and when what was last sent over it arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) number: u32,
    pub(super) node: Name,
    pub(super) up: Micros,
    pub(super) down: Micros,
}

/// A message without a final answer.
#[derive(Debug, Clone, Copy)]
struct Unsent {
    line: Line,
    /// Written while away: the attempt that goes out with the next connection.
    waits: Option<u32>,
    is_under_way: bool,
}

pub(super) struct Person {
    pub(super) client: Client,
    pub(super) user: Name,
    pub(super) link: Option<Link>,
    /// Rooms the node has let this connection into.
    pub(super) served: Vec<Name>,
    pub(super) views: Vec<View>,
    pub(super) records: Vec<Record>,
    outbox: Vec<Unsent>,
    attempts: u32,
    pub(super) is_closed: bool,
}

impl Person {
    /// Of four, one has no rule, and one does not retry; two are one user.
    pub(super) fn new(number: usize) -> Self {
        let name = |of: String| Name::new(&of);
        let client = Client {
            name: name(format!("client-{number}")),
            kind: Name::new("websocket"),
            rule: number % 4 != 2,
            retries: number % 4 != 3,
        };
        Self {
            client,
            user: name(format!("user-{}", number / 2)),
            link: None,
            served: Vec::new(),
            views: ["hot", "cold"].map(|room| View::new(Name::new(room))).into(),
            records: Vec::new(),
            outbox: Vec::new(),
            attempts: 0,
            is_closed: false,
        }
    }

    pub(super) fn note(&mut self, at: Micros, event: Event) {
        self.records.push(Record { at, event });
    }

    pub(super) fn is_at(&self, node: Name) -> bool {
        self.link.is_some_and(|link| link.node == node)
    }

    /// Whether it has something of this mid to send.
    pub(super) fn has(&self, mid: &Mid) -> bool {
        self.outbox.iter().any(|unsent| unsent.line.mid == *mid)
    }

    fn is_in(&self, room: Name) -> bool {
        self.link.is_some() && self.views.iter().any(|view| view.room == room && view.is_joined)
    }

    fn view(&mut self, room: Name) -> Option<&mut View> {
        self.views.iter_mut().find(|view| view.room == room)
    }
}

impl World {
    pub(super) fn come(&mut self, person: usize) {
        if self.people[person].is_closed || self.people[person].link.is_some() {
            return;
        }
        let node = *self.nodes.choose(&mut self.choices).expect("there are nodes");
        self.connections += 1;
        let number = self.connections;
        let connection = Name::new(&format!("connection-{number}"));
        let user = self.people[person].user;
        self.note(person, Event::Connected { node, user, connection });
        let link = Link { number, node, up: self.now, down: self.now };
        self.people[person].link = Some(link);
        // What waited goes first, then joins, then what is tried again.
        for at in 0..self.people[person].outbox.len() {
            let unsent = &mut self.people[person].outbox[at];
            if let Some(n) = unsent.waits.take() {
                unsent.is_under_way = true;
                let request = Request::Send { n, line: unsent.line };
                self.request(person, request);
            }
        }
        for at in 0..self.people[person].views.len() {
            let view = &self.people[person].views[at];
            let room = view.room;
            let since = view.cursor.filter(|_| self.people[person].client.rule);
            self.note(person, Event::Joining { room, since });
            self.request(person, Request::Join { room, since });
        }
    }

    pub(super) fn lose(&mut self, person: usize) {
        if self.people[person].link.take().is_none() {
            return;
        }
        self.note(person, Event::Disconnected { why: Name::new("transport close") });
        self.vanish(person);
        let lost = &mut self.people[person];
        let retries = lost.client.retries;
        lost.outbox.retain(|unsent| retries || !unsent.is_under_way);
        lost.outbox.iter_mut().for_each(|unsent| unsent.is_under_way = false);
        lost.views.iter_mut().for_each(|view| view.is_joined = false);
        self.after(100 * MS..8 * SECOND, Action::Come(person));
    }

    pub(super) fn say(&mut self, person: usize) {
        if self.now > self.quiet || self.people[person].is_closed {
            return;
        }
        self.after(100 * MS..SECOND, Action::Say(person));
        let views = &self.people[person].views;
        let Some(room) = views.choose(&mut self.choices).map(|view| view.room) else { return };
        self.mids += 1;
        let mid = format!("{:08x}-0000-7000-8000-{:012x}", self.plan.seed >> 32, self.mids);
        let line = Line {
            room,
            epoch: Name::new("no epoch yet"),
            seq: 0,
            mid: Mid::new(&mid).expect("it has 36 bytes"),
            text_hash: text_hash(&mid),
            user: self.people[person].user,
        };
        // Now and then the user's other device says the same at once.
        let together = person ^ 1;
        let unsent = Unsent { line, waits: None, is_under_way: false };
        if self.chance(10) && together < self.people.len() && self.people[together].is_in(room) {
            self.people[together].outbox.push(unsent);
            self.attempt(together, line.mid);
        }
        if self.people[person].is_in(room) {
            self.people[person].outbox.push(unsent);
            self.attempt(person, line.mid);
        } else if self.people[person].link.is_none() && self.chance(30) {
            let n = self.sent(person, &line);
            self.people[person].outbox.push(Unsent { waits: Some(n), ..unsent });
        }
    }

    fn sent(&mut self, person: usize, line: &Line) -> u32 {
        self.people[person].attempts += 1;
        let n = self.people[person].attempts;
        let Line { room, mid, text_hash, .. } = *line;
        self.note(person, Event::Sent { n, room, mid, text_hash });
        n
    }

    fn attempt(&mut self, person: usize, mid: Mid) {
        let outbox = &mut self.people[person].outbox;
        let Some(unsent) = outbox.iter_mut().find(|unsent| unsent.line.mid == mid) else { return };
        if unsent.is_under_way || unsent.waits.is_some() {
            return;
        }
        unsent.is_under_way = true;
        let line = unsent.line;
        let n = self.sent(person, &line);
        self.request(person, Request::Send { n, line });
    }

    pub(super) fn try_again(&mut self, person: usize, mid: Mid) {
        let unsent = self.people[person].outbox.iter().find(|unsent| unsent.line.mid == mid);
        if unsent.is_some_and(|unsent| self.people[person].is_in(unsent.line.room)) {
            self.attempt(person, mid);
        }
    }

    pub(super) fn ask(&mut self, person: usize) {
        if self.now > self.quiet {
            return;
        }
        self.after(SECOND..5 * SECOND, Action::Ask(person));
        let rooms = self.rooms.iter().map(|room| Some(room.name)).chain([None]);
        let places: Vec<Option<Name>> = rooms.collect();
        let room = places[self.choices.random_range(0..places.len())];
        let all = if room.is_some() { &[][..] } else { &self.people[..] };
        let asked = all.iter().map(|each| each.user).collect();
        self.request(person, Request::Ask { asked_at: self.now, room, asked });
    }

    /// Leaves a room, if nothing is left to be sent there.
    pub(super) fn leave(&mut self, person: usize) {
        let Some(room) = self.people[person].views.first().map(|view| view.room) else { return };
        let is_busy = self.people[person].outbox.iter().any(|unsent| unsent.line.room == room);
        if is_busy || !self.people[person].is_in(room) {
            return;
        }
        self.note(person, Event::Left { room });
        let until = self.now + 5 * SECOND;
        let leaving = &mut self.people[person];
        leaving.views.retain(|view| view.room != room);
        leaving.served.retain(|other| *other != room);
        self.lingering.push((Some(room), self.people[person].user, until));
    }

    pub(super) fn close(&mut self, person: usize) {
        self.note(person, Event::Closed);
        if self.people[person].link.take().is_some() {
            self.vanish(person);
        }
        self.people[person].is_closed = true;
    }

    pub(super) fn arrive(&mut self, person: usize, connection: u32, packet: Packet) {
        if self.people[person].link.is_none_or(|link| link.number != connection) {
            return;
        }
        match packet {
            Packet::Ok { n, line, dup } => {
                let Line { room, epoch, seq, mid, .. } = line;
                self.note(person, Event::Acked { n, room, mid, epoch, seq, dup });
                self.people[person].outbox.retain(|unsent| unsent.line.mid != mid);
            }
            Packet::No { n, room, mid, why } => {
                let (code, outcome) = (Name::new(why.code()), why.outcome());
                let retryable = why != Refusal::TooLarge;
                let refused = Event::Refused { n, room, mid, code, outcome, retryable };
                self.note(person, refused);
                self.refused(person, mid, retryable);
            }
            Packet::Joined { read, since } => {
                let room = read.page.room;
                self.show(person, room, |view, log, rule| view.joined(read, since, log, rule));
                self.resend(person, room);
            }
            Packet::Line(line) => {
                self.show(person, line.room, |view, log, rule| view.hear(line, log, rule));
            }
            Packet::Reset { room, reason } => {
                self.show(person, room, |view, log, rule| view.told_reset(reason, log, rule));
            }
            Packet::Seen { asked_at, room, asked, users } => {
                self.note(person, Event::Presence { asked_at, room, asked, users });
            }
        }
    }

    fn refused(&mut self, person: usize, mid: Mid, retryable: bool) {
        let retries = retryable && self.people[person].client.retries;
        let outbox = &mut self.people[person].outbox;
        if retries {
            let refused = outbox.iter_mut().filter(|unsent| unsent.line.mid == mid);
            refused.for_each(|unsent| unsent.is_under_way = false);
            self.after(50 * MS..SECOND, Action::Again(person, mid));
        } else {
            outbox.retain(|unsent| unsent.line.mid != mid);
        }
    }

    fn resend(&mut self, person: usize, room: Name) {
        let outbox = self.people[person].outbox.iter();
        let mids: Vec<Mid> = outbox
            .filter(|unsent| unsent.line.room == room)
            .map(|unsent| unsent.line.mid)
            .collect();
        for mid in mids {
            self.attempt(person, mid);
        }
    }

    /// Lets a client's view of a room do something, and writes down what it did.
    fn show(
        &mut self,
        person: usize,
        room: Name,
        act: impl FnOnce(&mut View, &super::Room, bool) -> Vec<Event>,
    ) {
        let log = self.rooms.iter().find(|log| log.name == room).expect("it is one of ours");
        let rule = self.people[person].client.rule;
        let Some(view) = self.people[person].view(room) else { return };
        for event in act(view, log, rule) {
            self.note(person, event);
        }
    }
}
