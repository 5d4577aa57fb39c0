//! What a run does, decided once and the same for every worker process.
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A server, or a balancer in front of some.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) addresses: Vec<SocketAddr>,
    /// As it stands in the URL, for the Host header.
    pub(super) host: String,
    /// Where Engine.IO is: `/socket.io/`.
    pub(super) path: String,
}

/// The words of a server: event names, payloads, and how its answers are read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dialect {
    pub(super) namespace: String,
    /// The payload of CONNECT; empty: none.
    pub(super) auth: String,
    /// The same of one that comes back.
    pub(super) auth_again: String,
    /// What enters a room, and its arguments; empty: one is in it by connecting.
    pub(super) join_event: String,
    pub(super) join: String,
    pub(super) join_again: String,
    /// What reads on in a room after a join that did not give everything; empty: nothing does.
    pub(super) page_event: String,
    pub(super) page: String,
    pub(super) send_event: String,
    pub(super) send: String,
    /// The event by which members hear of a message.
    pub(super) deliver_event: String,
    /// The event that brings a session to come back with; empty: there is none.
    pub(super) session_event: String,
    /// Whether messages are sent with an ack, and count only once it has come.
    pub(super) acks: bool,
    /// An ack with this in it is a refusal.
    pub(super) refusal: String,
    /// The field with the server's own number of a message; empty: there is none.
    pub(super) position: String,
    /// Whether one that comes back gets what it missed.
    pub(super) resumes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Pace {
    /// Messages a second in all, due whether earlier ones are answered or not.
    Open(f64),
    /// So many on their way at any time: the next one is due when one is answered.
    Closed(u32),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) dialect: Dialect,
    /// What connections bring, by turns; none: nothing.
    pub(super) tokens: Vec<String>,
    pub(super) connections: u32,
    /// 0: nobody joins or sends.
    pub(super) rooms: u32,
    pub(super) room_name: String,
    /// Whether all members of a room are at one server.
    pub(super) together: bool,
    /// Connects a second in all.
    pub(super) ramp: f64,
    pub(super) pace: Pace,
    pub(super) bytes: usize,
    /// Shares of the connections, 0 to 1.
    pub(super) polling: f64,
    pub(super) slow: f64,
    /// What a slow reader reads, bytes a second.
    pub(super) slow_rate: u64,
    /// Share of the connections that leave and come back, a second.
    pub(super) churn: f64,
    pub(super) away_us: u64,
    pub(super) warmup_us: u64,
    pub(super) duration_us: u64,
    /// How long what is owed may be waited for at the end.
    pub(super) drain_us: u64,
    /// How long a connection may take until it has joined.
    pub(super) connect_us: u64,
    /// How long a server that is not there yet is waited for.
    pub(super) wait_us: u64,
    pub(super) seed: u64,
    /// Tells this run's messages and rooms from another's.
    pub(super) run: String,
    /// When the run's clock was zero.
    pub(super) zero_us: u64,
    pub(super) processes: u32,
}

impl Plan {
    /// Rooms as far as accounts are concerned: without any there is one, in which nobody speaks.
    pub(super) fn accounts(&self) -> usize {
        self.rooms.max(1) as usize
    }

    pub(super) fn room_of(&self, connection: u32) -> u32 {
        connection % self.rooms.max(1)
    }

    /// Members of each room are spread over the nodes first, then over the processes.
    pub(super) fn target_of(&self, connection: u32) -> usize {
        let turn =
            if self.together { self.room_of(connection) } else { connection / self.rooms.max(1) };
        turn as usize % self.targets.len()
    }

    pub(super) fn process_of(&self, connection: u32) -> u32 {
        let member = connection / self.rooms.max(1);
        let targets = u32::try_from(self.targets.len()).unwrap_or(1);
        if self.rooms >= self.processes && self.connections / self.rooms.max(1) < targets * 2 {
            return connection % self.processes;
        }
        member / targets % self.processes
    }

    pub(super) fn room_named(&self, room: u32) -> String {
        self.room_name.replace("{run}", &self.run).replace("{n}", &room.to_string())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plan of so many connections in so many rooms, over so many servers and processes.
    pub(in crate::cli::load) fn plan(
        connections: u32,
        rooms: u32,
        targets: usize,
        processes: u32,
    ) -> Plan {
        let target = Target {
            addresses: vec![([127, 0, 0, 1], 1).into()],
            host: "127.0.0.1:1".to_owned(),
            path: "/socket.io/".to_owned(),
        };
        Plan {
            targets: vec![target; targets],
            dialect: super::super::preset::Preset::Hubbub.dialect(),
            tokens: Vec::new(),
            connections,
            rooms,
            room_name: "load-{run}-{n}".to_owned(),
            together: false,
            ramp: 100.0,
            pace: Pace::Open(100.0),
            bytes: 100,
            polling: 0.0,
            slow: 0.0,
            slow_rate: 0,
            churn: 0.0,
            away_us: 0,
            warmup_us: 0,
            duration_us: 1_000_000,
            drain_us: 0,
            connect_us: 0,
            wait_us: 0,
            seed: 1,
            run: "abc123".to_owned(),
            zero_us: 0,
            processes,
        }
    }

    #[test]
    fn members_of_a_room_are_spread_over_all_servers_and_connections_over_all_processes() {
        for (connections, rooms, targets, processes) in
            [(600, 12, 3, 1), (600, 12, 3, 2), (2_000, 40, 3, 4), (200, 1, 3, 3), (300, 300, 3, 4)]
        {
            let plan = plan(connections, rooms, targets, processes);
            let count = |of: &dyn Fn(u32) -> usize, kinds: usize| {
                let mut counts = vec![0_u32; kinds];
                (0..connections).for_each(|id| counts[of(id)] += 1);
                (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
            };
            let even = |(least, most): (u32, u32), parts: u32| {
                let fair = connections / parts;
                least * 2 >= fair && most <= fair * 2
            };
            if rooms * 3 <= connections {
                assert!(even(count(&|id| plan.target_of(id), targets), 3), "{plan:?}");
            }
            let of = |id| plan.process_of(id) as usize;
            assert!(even(count(&of, processes as usize), processes), "{plan:?}");
        }
    }

    #[test]
    fn members_who_are_together_are_at_one_server_and_rooms_are_at_all() {
        let plan = Plan { together: true, ..plan(600, 12, 3, 2) };

        let at = |room: u32| (0..600).filter(move |id| id % 12 == room);
        for room in 0..12 {
            assert!(at(room).all(|id| plan.target_of(id) == room as usize % 3));
        }
    }

    #[test]
    fn rooms_of_two_runs_have_different_names() {
        assert_eq!(plan(1, 1, 1, 1).room_named(7), "load-abc123-7");
    }
}
