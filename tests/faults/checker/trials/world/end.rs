//! How a generated run ends: what the store has, what nodes show, what they hold, and who is truly there.
use std::collections::BTreeSet;

use super::{
    super::super::{Phase, ProcessSample, Run, Shown, StoreSample, Truth},
    SECOND, World,
};
use crate::records::{ClientRecords, Micros, Name};

impl World {
    pub(super) fn finish(mut self) -> Run {
        // Everybody who was just gone is no longer shown.
        self.now = self.now.max(self.quiet) + 10 * SECOND;
        let now = self.now;
        for room in &self.rooms {
            self.facts.histories.push(room.read(now));
        }
        let rooms = self.rooms.iter().map(|room| Some(room.name));
        for room in rooms.chain([None]).collect::<Vec<_>>() {
            let users: Vec<Name> = self.truly(room).into_iter().collect();
            self.facts.truth.push(Truth { room, users });
            for node in self.nodes {
                let users = self.shown(room).into_iter().collect();
                self.facts.shown.push(Shown { at: now, node, room, users });
            }
        }
        self.sample(SECOND, Phase::Baseline, 0);
        self.sample(self.quiet / 2, Phase::During, 50);
        self.sample(now, Phase::Settled, 2);
        self.facts.faults.sort_by_key(|fault| fault.at);
        self.facts.ended = now + SECOND;
        let clients = self.people.into_iter();
        let clients = clients
            .map(|person| ClientRecords { client: person.client, records: person.records })
            .collect();
        Run { clients, facts: self.facts }
    }

    fn truly(&self, room: Option<Name>) -> BTreeSet<Name> {
        let here = self.people.iter().filter(|person| {
            let is_in = |room| person.views.iter().any(|view| view.room == room && view.is_joined);
            person.link.is_some() && room.is_none_or(is_in)
        });
        here.map(|person| person.user).collect()
    }

    fn sample(&mut self, at: Micros, phase: Phase, more: u64) {
        for node in self.nodes {
            let (rss, fds, sockets) = ((60 + more) << 20, 40 + more, 20 + more);
            let (tasks, lag_p99) = (Some(30 + more), Some(1_000 * (more + 1)));
            let sample = ProcessSample { at, phase, node, rss, fds, sockets, tasks, lag_p99 };
            self.facts.samples.push(sample);
        }
        let (members, leases, keys) = (12, 3, 20);
        self.facts.store_samples.push(StoreSample { at, phase, members, leases, keys });
    }
}
