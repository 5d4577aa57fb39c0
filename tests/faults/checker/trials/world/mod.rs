//! A service in miniature that keeps every promise, on a clock of its own: it makes the sound runs for the trials.
mod end;
mod node;
mod person;
mod room;
mod view;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::LazyLock,
};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    node::{Packet, Request},
    person::Person,
    room::Room,
};
use super::super::{Allowance, Exit, Facts, Fault, Loss, Permissions, Run, Target, What};
use crate::records::{Event, Line, Micros, Mid, Name};

pub(super) const SECOND: Micros = 1_000_000;
const MS: Micros = 1_000;

/// What, besides lost connections, refusals and dead nodes, happens in a generated run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    Nothing,
    /// Retention takes what some have not read.
    Retention,
    /// A room is emptied: a new epoch.
    Emptied,
    /// A room loses its last messages and gives their numbers again.
    RolledBack,
}

impl Trouble {
    pub(super) const ALL: [Self; 4] =
        [Self::Nothing, Self::Retention, Self::Emptied, Self::RolledBack];

    fn permissions(self) -> Permissions {
        let strict = Permissions::default();
        match self {
            Self::Nothing => strict,
            Self::Retention => strict.allow(Allowance::Truncations),
            Self::Emptied => {
                Permissions { loss: Loss::EarlierEpochs, ..strict }.allow(Allowance::Resets)
            }
            Self::RolledBack => strict.allow(Allowance::Resets),
        }
    }
}

/// What a generated run is made of; the same plan makes the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// At least four.
    pub(super) people: usize,
    pub(super) seconds: u64,
    pub(super) trouble: Trouble,
}

impl Plan {
    pub(super) fn new(seed: u64, trouble: Trouble) -> Self {
        Self { seed, people: 6, seconds: 60, trouble }
    }

    pub(super) fn run(self) -> Run {
        World::new(self).live()
    }

    /// The same, made once for all who ask.
    pub(super) fn run_once(self) -> Run {
        static MADE: LazyLock<Mutex<HashMap<Plan, Run>>> = LazyLock::new(Mutex::default);
        MADE.lock().entry(self).or_insert_with(|| self.run()).clone()
    }
}

enum Action {
    /// Somebody says something new, and goes on to.
    Say(usize),
    /// Tries again what was refused.
    Again(usize, Mid),
    /// A connection's request reaches the node.
    Serve(usize, u32, Request),
    /// What the node sent reaches the client.
    Arrive(usize, u32, Packet),
    /// An append that was given up as unknown happens after all.
    Land(Line),
    Lose(usize),
    Come(usize),
    Ask(usize),
    Leave(usize),
    Close(usize),
    Trouble,
    End(Name, What, Option<i32>),
}

struct World {
    plan: Plan,
    choices: StdRng,
    now: Micros,
    /// When nobody says anything new any more.
    quiet: Micros,
    agenda: BTreeMap<(Micros, u64), Action>,
    planned: u64,
    rooms: Vec<Room>,
    people: Vec<Person>,
    nodes: [Name; 3],
    /// From when to when the last node stands still.
    still: Range<Micros>,
    facts: Facts,
    connections: u32,
    mids: u64,
    /// Who is still shown somewhere though gone, and until when.
    lingering: Vec<(Option<Name>, Name, Micros)>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let quiet = plan.seconds * SECOND;
        let mut world = Self {
            plan,
            choices: StdRng::seed_from_u64(plan.seed),
            now: 0,
            quiet,
            agenda: BTreeMap::new(),
            planned: 0,
            rooms: ["hot", "cold"].map(|name| Room::new(Name::new(name))).into(),
            people: (0..plan.people).map(Person::new).collect(),
            nodes: ["node-a", "node-b", "node-c"].map(Name::new),
            still: quiet * 2 / 3..quiet * 2 / 3 + 5 * SECOND,
            facts: Facts::default(),
            connections: 0,
            mids: 0,
            lingering: Vec::new(),
        };
        world.facts.permissions = plan.trouble.permissions();
        world.plan_all();
        world
    }

    fn plan_all(&mut self) {
        let quiet = self.quiet;
        for person in 0..self.people.len() {
            self.after(0..500 * MS, Action::Come(person));
            self.after(SECOND..2 * SECOND, Action::Say(person));
            self.after(SECOND..5 * SECOND, Action::Ask(person));
            self.after(SECOND..8 * SECOND, Action::Lose(person));
        }
        // The first are there to the end.
        self.after(quiet / 4..quiet / 3, Action::Close(self.people.len() - 1));
        self.after(quiet / 2..quiet, Action::Leave(self.people.len() - 2));
        self.after(quiet / 3..quiet / 2, Action::Trouble);
        let [killed, drained, still] = self.nodes;
        self.after(quiet / 3..quiet / 2, Action::End(killed, What::Killed, None));
        self.after(quiet / 2..quiet * 2 / 3, Action::End(drained, What::Terminated, Some(0)));
        self.fault(self.still.start, Target::Node(still), What::Stopped);
        self.fault(self.still.end, Target::Node(still), What::Continued);
    }

    fn live(mut self) -> Run {
        while let Some(((at, _), action)) = self.agenda.pop_first() {
            self.now = at;
            self.act(action);
        }
        self.finish()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Say(person) => self.say(person),
            Action::Again(person, mid) => self.try_again(person, mid),
            Action::Serve(person, connection, request) => self.serve(person, connection, request),
            Action::Arrive(person, connection, packet) => self.arrive(person, connection, packet),
            Action::Land(line) => {
                if !self.room(line.room).would_repeat_itself(&line) {
                    self.append(line);
                }
            }
            Action::Lose(person) => {
                self.lose(person);
                if self.now < self.quiet {
                    self.after(SECOND..10 * SECOND, Action::Lose(person));
                }
            }
            Action::Come(person) => self.come(person),
            Action::Ask(person) => self.ask(person),
            Action::Leave(person) => self.leave(person),
            Action::Close(person) => self.close(person),
            Action::Trouble => self.trouble(),
            Action::End(node, how, code) => self.end_node(node, how, code),
        }
    }

    fn after(&mut self, wait: Range<Micros>, action: Action) {
        let at = self.now + self.choices.random_range(wait);
        self.at(at, action);
    }

    fn at(&mut self, at: Micros, action: Action) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), action);
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.choices.random_ratio(percent, 100)
    }

    fn note(&mut self, person: usize, event: Event) {
        let at = self.now;
        self.people[person].note(at, event);
    }

    fn fault(&mut self, at: Micros, target: Target, what: What) {
        self.facts.faults.push(Fault { at, target, what });
    }

    fn room(&mut self, name: Name) -> &mut Room {
        let found = self.rooms.iter_mut().find(|room| room.name == name);
        found.expect("there are no other rooms")
    }

    /// All connections of the node end; it is there again three seconds later.
    fn end_node(&mut self, node: Name, how: What, code: Option<i32>) {
        self.fault(self.now, Target::Node(node), how);
        self.facts.exits.push(Exit { at: self.now + SECOND, node, code });
        self.fault(self.now + 3 * SECOND, Target::Node(node), What::Started);
        for person in 0..self.people.len() {
            if self.people[person].is_at(node) {
                self.lose(person);
            }
        }
    }

    fn trouble(&mut self) {
        let at = self.choices.random_range(0..self.rooms.len());
        let reason = match self.plan.trouble {
            Trouble::Nothing => return,
            Trouble::Retention => {
                let some = self.choices.random_range(1..30);
                self.rooms[at].trim(some);
                if self.now < self.quiet {
                    self.after(SECOND..4 * SECOND, Action::Trouble);
                }
                return;
            }
            Trouble::Emptied => {
                if self.chance(50) {
                    let reading = self.rooms[at].read(self.now);
                    self.facts.histories.push(reading);
                }
                self.rooms[at].empty();
                "epoch_changed"
            }
            Trouble::RolledBack => {
                let some = self.choices.random_range(1..6);
                self.rooms[at].roll_back(some);
                // Acks of what is lost may still be on their way.
                let (from, to) = (self.now.saturating_sub(20 * SECOND), self.now + 6 * SECOND);
                self.facts.permissions.loss = Loss::AckedBetween { from, to };
                "rolled_back"
            }
        };
        let (room, reason) = (self.rooms[at].name, Name::new(reason));
        for person in self.members(room) {
            self.push(person, Packet::Reset { room, reason });
        }
    }
}
