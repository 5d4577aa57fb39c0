//! Every room's log as it must have been: as the store has it, and where it has it no more, as its readers saw it.
use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use super::{History, index::Index};
use crate::records::{Event, Line, Micros, Mid, Name};

/// Of conflicts so many are kept.
const KEPT: usize = 10_000;

/// A room's log within one epoch.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) room: Name,
    pub(super) epoch: Name,
    /// By number, each once. Of the log that the room's last reading shows: what was read, and
    /// before it, what readers saw and retention took. Of any other: all that anybody saw.
    pub(super) lines: Vec<Line>,
    /// It is the one that the room's last reading shows.
    pub(super) is_last: bool,
    /// The oldest number that the last reading has.
    first: u64,
    /// What somebody saw or had acked, and the last reading should show and does not.
    pub(super) lost: BTreeMap<u64, Line>,
    /// From here on there are two pasts: numbers that were given twice, or are lost.
    pub(super) fork: Option<u64>,
    extra: BTreeMap<u64, Line>,
}

impl Log {
    /// Where a number stands in [`Log::lines`], or would.
    pub(super) fn position(&self, seq: u64) -> Result<usize, usize> {
        let first = self.lines.first().map_or(0, |line| line.seq);
        // Most logs have no holes.
        let guess = usize::try_from(seq.wrapping_sub(first)).unwrap_or(usize::MAX);
        match self.lines.get(guess) {
            Some(line) if line.seq == seq => Ok(guess),
            _ => self.lines.binary_search_by_key(&seq, |line| line.seq),
        }
    }

    fn at(&self, seq: u64) -> Option<&Line> {
        let kept = self.position(seq).ok().map(|at| &self.lines[at]);
        kept.or_else(|| self.extra.get(&seq)).or_else(|| self.lost.get(&seq))
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Witness {
    Reading(Micros),
    Reader(usize, Micros),
    Acked(usize, Micros),
}

/// One number, two messages.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) had: Line,
    pub(super) other: Line,
    pub(super) witness: Witness,
}

pub(super) struct Logs<'a> {
    pub(super) all: Vec<Log>,
    by_epoch: HashMap<(Name, Name), usize>,
    /// Each room's last reading.
    pub(super) last: HashMap<Name, &'a History>,
    /// Where each mid stands in the last readings; if twice, first.
    places: HashMap<Mid, Line>,
    pub(super) conflicts: Vec<Conflict>,
}

impl<'a> Logs<'a> {
    pub(super) fn new(index: &Index<'a>) -> Self {
        let mut logs = Self {
            all: Vec::new(),
            by_epoch: HashMap::new(),
            last: HashMap::new(),
            places: HashMap::new(),
            conflicts: Vec::new(),
        };
        logs.read(&index.run.facts.histories);
        logs.hear(index);
        for log in &mut logs.all {
            log.fork = log.fork.into_iter().chain(log.lost.keys().next().copied()).min();
            log.lines.extend(std::mem::take(&mut log.extra).into_values());
            log.lines.sort_by_key(|line| line.seq);
        }
        logs
    }

    pub(super) fn log(&self, room: Name, epoch: Name) -> Option<&Log> {
        self.by_epoch.get(&(room, epoch)).map(|at| &self.all[*at])
    }

    /// The log that a room has in the end; `None`: it was never read, or never written in.
    pub(super) fn last_log(&self, room: Name) -> Option<&Log> {
        self.log(room, self.last.get(&room)?.epoch?)
    }

    /// Where a message stands in the end.
    pub(super) fn place(&self, mid: &Mid) -> Option<&Line> {
        self.places.get(mid)
    }

    fn read(&mut self, histories: &'a [History]) {
        let mut histories: Vec<&History> = histories.iter().collect();
        // The last first; a reading noted later is later.
        histories.reverse();
        histories.sort_by_key(|history| std::cmp::Reverse(history.at));
        for history in histories {
            if let Entry::Vacant(vacant) = self.last.entry(history.room) {
                vacant.insert(history);
                self.read_last(history);
            }
            for line in &history.entries {
                self.see(line, Witness::Reading(history.at));
            }
        }
    }

    fn read_last(&mut self, history: &History) {
        for line in &history.entries {
            self.places.entry(line.mid).or_insert(*line);
        }
        let Some(epoch) = history.epoch else { return };
        let number = self.number(history.room, epoch);
        let log = &mut self.all[number];
        (log.is_last, log.first) = (true, history.first);
        log.lines.extend(history.entries.iter().filter(|line| line.epoch == epoch));
        log.lines.sort_by_key(|line| line.seq);
        log.lines.dedup_by_key(|line| line.seq);
    }

    fn hear(&mut self, index: &Index<'_>) {
        for client in 0..index.run.clients.len() {
            for record in index.records(client) {
                if let Event::Heard { line, .. } | Event::Applied { line } = &record.event {
                    self.see(line, Witness::Reader(client, record.at));
                }
            }
        }
        for attempt in &index.attempts {
            let Some((at, epoch, seq)) = attempt.ok() else { continue };
            let sending = index.sending_of(attempt);
            let user = index.user_of(attempt).unwrap_or_else(|| Name::new("nobody"));
            let (room, mid, text_hash) = (sending.room, sending.mid, attempt.text_hash);
            let line = Line { room, epoch, seq, mid, text_hash, user };
            self.see(&line, Witness::Acked(attempt.client, at));
        }
    }

    fn see(&mut self, line: &Line, witness: Witness) {
        let number = self.number(line.room, line.epoch);
        let log = &mut self.all[number];
        if let Some(had) = log.at(line.seq) {
            if had.mid != line.mid {
                let conflict = Conflict { had: *had, other: *line, witness };
                log.fork = Some(log.fork.map_or(line.seq, |fork| fork.min(line.seq)));
                if self.conflicts.len() < KEPT {
                    self.conflicts.push(conflict);
                }
            }
            return;
        }
        let is_lost = log.is_last && line.seq >= log.first;
        let known = if is_lost { &mut log.lost } else { &mut log.extra };
        known.insert(line.seq, *line);
    }

    fn number(&mut self, room: Name, epoch: Name) -> usize {
        let logs = &mut self.all;
        *self.by_epoch.entry((room, epoch)).or_insert_with(|| {
            logs.push(Log {
                room,
                epoch,
                lines: Vec::new(),
                is_last: false,
                first: 1,
                lost: BTreeMap::new(),
                fork: None,
                extra: BTreeMap::new(),
            });
            logs.len() - 1
        })
    }
}
