//! A sound run, and the means to spoil it: after all else was said, in a room that everybody reads.
use super::super::{
    super::{Fault, History, Run, Target, What},
    world::{Plan, SECOND, Trouble},
};
use crate::records::{Event, Line, Micros, Mid, Name, Outcome, Record, text_hash};

/// Has the rule, retries, and is there to the end; the second is another user.
pub(super) const ADA: usize = 0;
pub(super) const BOB: usize = 4;
/// The other device of the first.
pub(super) const ROB: usize = 1;
/// Has no rule.
pub(super) const PLAIN: usize = 2;
/// Does not retry.
pub(super) const CAREFREE: usize = 3;

pub(super) struct Forge {
    pub(super) run: Run,
    /// After everything else has happened, and long before the end.
    pub(super) at: Micros,
    pub(super) room: Name,
    forged: u32,
}

impl Forge {
    pub(super) fn new(seed: u64, trouble: Trouble) -> Self {
        let run = Plan::new(seed, trouble).run_once();
        let at = run.facts.ended - 10 * SECOND;
        Self { run, at, room: Name::new("hot"), forged: 0 }
    }

    /// The room's log as it was read at the end.
    pub(super) fn log(&mut self) -> &mut History {
        let (at, room) = (self.run.facts.ended - SECOND, self.room);
        let mut histories = self.run.facts.histories.iter_mut();
        let last = histories.find(|history| history.room == room && history.at == at);
        last.expect("every room is read at the end")
    }

    pub(super) fn note(&mut self, client: usize, at: Micros, event: Event) {
        let records = &mut self.run.clients[client].records;
        let place = records.partition_point(|record| record.at <= at);
        records.insert(place, Record { at, event });
    }

    pub(super) fn user(&self, client: usize) -> Name {
        self.last_connected(client).0
    }

    pub(super) fn node(&self, client: usize) -> Name {
        self.last_connected(client).1
    }

    fn last_connected(&self, client: usize) -> (Name, Name) {
        let records = self.run.clients[client].records.iter().rev();
        let mut connected = records.filter_map(|record| match record.event {
            Event::Connected { user, node, .. } => Some((user, node)),
            _ => None,
        });
        connected.next().expect("everybody was connected")
    }

    pub(super) fn is_connected_at(&self, client: usize, at: Micros) -> bool {
        let before = self.run.clients[client].records.iter().rev().filter(|r| r.at <= at);
        let mut changes = before.filter_map(|record| match record.event {
            Event::Connected { .. } => Some(true),
            Event::Disconnected { .. } => Some(false),
            _ => None,
        });
        changes.next() == Some(true)
    }

    /// A new message, as it would stand next in the log.
    pub(super) fn message(&mut self, by: usize) -> Line {
        self.forged += 1;
        let mid = format!("forged-0000-7000-8000-{:012}", self.forged);
        let (room, user) = (self.room, self.user(by));
        let log = self.log();
        let epoch = log.epoch.expect("somebody has written");
        let (seq, text_hash) = (log.head + 1, text_hash(&mid));
        Line { room, epoch, seq, mid: Mid::new(&mid).expect("short enough"), text_hash, user }
    }

    /// Sends it; says which attempt that is.
    pub(super) fn send(&mut self, by: usize, line: &Line, at: Micros) -> u32 {
        let attempts =
            self.run.clients[by].records.iter().filter_map(|record| match record.event {
                Event::Sent { n, .. } => Some(n),
                _ => None,
            });
        let n = attempts.max().unwrap_or(0) + 1;
        let Line { room, mid, text_hash, .. } = *line;
        self.note(by, at, Event::Sent { n, room, mid, text_hash });
        n
    }

    pub(super) fn ack(&mut self, by: usize, n: u32, line: &Line, at: Micros) {
        self.answer(by, n, line, (at, false));
    }

    pub(super) fn answer(&mut self, by: usize, n: u32, line: &Line, (at, dup): (Micros, bool)) {
        let Line { room, epoch, seq, mid, .. } = *line;
        self.note(by, at, Event::Acked { n, room, mid, epoch, seq, dup });
    }

    pub(super) fn refuse(&mut self, by: usize, n: u32, line: &Line, (at, code): (Micros, &str)) {
        let (room, mid, code) = (line.room, line.mid, Name::new(code));
        let retryable = code.as_str() == "unavailable";
        let outcome = retryable.then_some(Outcome::None);
        self.note(by, at, Event::Refused { n, room, mid, code, outcome, retryable });
    }

    pub(super) fn unknown(&mut self, by: usize, n: u32, line: &Line, at: Micros) {
        let (room, mid, code) = (line.room, line.mid, Name::new("unavailable"));
        let outcome = Some(Outcome::Unknown);
        self.note(by, at, Event::Refused { n, room, mid, code, outcome, retryable: true });
    }

    /// Puts it into the log.
    pub(super) fn keep(&mut self, line: &Line) {
        let log = self.log();
        log.entries.push(*line);
        log.head = log.head.max(line.seq);
    }

    /// Everybody who is in the room hears it, but for some.
    pub(super) fn tell_all_but(&mut self, but: &[usize], line: &Line, at: Micros) {
        for client in (0..self.run.clients.len()).filter(|client| !but.contains(client)) {
            self.tell(client, line, at);
        }
    }

    pub(super) fn tell(&mut self, client: usize, line: &Line, at: Micros) {
        let mut is_in = false;
        for record in &self.run.clients[client].records {
            match &record.event {
                Event::Joined { page, .. } if page.room == line.room => is_in = true,
                Event::Left { room } if *room == line.room => is_in = false,
                Event::Disconnected { .. } | Event::Closed => is_in = false,
                _ => {}
            }
        }
        if is_in {
            let applied = self.run.clients[client].client.rule;
            self.note(client, at, Event::Heard { line: *line, applied });
        }
    }

    pub(super) fn tell_all(&mut self, line: &Line, at: Micros) {
        self.tell_all_but(&[], line, at);
    }

    /// All as it should be: sent, kept, acked and told, a tenth of a second each.
    pub(super) fn say(&mut self, by: usize) -> Line {
        let line = self.message(by);
        let at = self.at;
        let n = self.send(by, &line, at);
        self.keep(&line);
        self.ack(by, n, &line, at + SECOND / 10);
        self.tell_all(&line, at + SECOND / 5);
        self.at += SECOND / 2;
        line
    }

    pub(super) fn fault(&mut self, at: Micros, target: Target, what: What) {
        self.run.facts.faults.push(Fault { at, target, what });
        self.run.facts.faults.sort_by_key(|fault| fault.at);
    }

    /// Where, of all records of all clients, one is that is looked for.
    pub(super) fn find(&self, is_it: impl Fn(&Event) -> bool) -> Option<(usize, usize)> {
        self.run.clients.iter().enumerate().find_map(|(client, records)| {
            let at = records.records.iter().position(|record| is_it(&record.event))?;
            Some((client, at))
        })
    }
}
