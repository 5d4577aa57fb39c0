//! One client's list of one room, against the log it must be a stretch of.
use std::collections::HashSet;

use super::logs::{Log, Logs};
use crate::records::{Line, Micros, Mid, Name, Page};

/// Of what one list passes over, so many numbers are remembered.
const REMEMBERED: usize = 10_000;

/// Something that is wrong with a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong {
    pub(super) kind: Kind,
    seq: u64,
    /// The last that was right.
    last: u64,
    /// What is in the list, and what is in the log.
    mids: (Option<Mid>, Option<Mid>),
    epochs: (Option<Name>, Option<Name>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Put in a second time.
    Twice,
    /// Put in after later ones.
    Late,
    /// From `seq` on, the log has what the list does not.
    Missing,
    /// The log has another message there, or none.
    Unlike,
    /// The same message with another text or by another user.
    Altered,
    /// Of another epoch than the list, without a reset.
    Mixed,
    /// There was no list: nobody joined, or it was reset and not begun again.
    NoList,
}

impl Wrong {
    fn new(kind: Kind, seq: u64, last: u64) -> Self {
        Self { kind, seq, last, mids: (None, None), epochs: (None, None) }
    }

    /// What is wrong with a message, given what the log has there.
    pub(super) fn unlike(line: &Line, there: Option<Line>) -> Self {
        let is_same = there.is_some_and(|there| there.mid == line.mid);
        let kind = if is_same { Kind::Altered } else { Kind::Unlike };
        let mids = (Some(line.mid), there.map(|there| there.mid));
        Self { mids, ..Self::new(kind, line.seq, 0) }
    }

    /// Whether it is what it looks like to be on the other side of a fork.
    pub(super) fn is_of_two_pasts(&self, fork: u64) -> bool {
        matches!(self.kind, Kind::Missing | Kind::Unlike) && self.seq >= fork
    }

    pub(super) fn to_text(self, room: Name) -> String {
        let Self { kind, seq, last, mids: (mid, there), epochs: (had, other) } = self;
        let mid = mid.map_or_else(String::new, |mid| format!(" ({mid})"));
        let name = |epoch: Option<Name>| epoch.map_or("no epoch", Name::as_str);
        let what = match (kind, there) {
            (Kind::Twice, _) => format!("has {seq}{mid} twice, again after {last}"),
            (Kind::Late, _) => format!("has {seq}{mid} out of order, after {last}"),
            (Kind::Missing, Some(there)) => format!("lacks {seq} ({there}), after {last}"),
            (Kind::Missing, None) => format!("lacks {seq}, after {last}"),
            (Kind::Unlike, Some(there)) => format!("has {seq}{mid}, where the log has {there}"),
            (Kind::Unlike, None) => format!("has {seq}{mid}, where the log has nothing"),
            (Kind::Altered, _) => format!("has {seq}{mid} with another text or user than the log"),
            (Kind::Mixed, _) => format!(
                "mixes epochs: {seq}{mid} of {} came after {last} of {}, without a reset",
                name(other),
                name(had)
            ),
            (Kind::NoList, _) => format!("put {seq}{mid} into a list that it did not have"),
        };
        format!("its list of {room} {what}")
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    epoch: Option<Name>,
    /// Everything up to here is in the list, or lies before it.
    last: u64,
    /// Where the log goes on after `last`.
    next: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Never joined, or left.
    Out,
    Kept(Place),
    /// Reset, and not begun anew.
    Forgotten,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) room: Name,
    state: State,
    /// What was passed over, so that what comes of it later is late and not a repeat.
    passed: HashSet<u64>,
    /// The stretch has what the log does not; and after it, what the log does have.
    pub(super) is_astray: bool,
    pub(super) is_mixed: bool,
    /// What is wrong with the stretch since it began, and when that showed.
    pub(super) wrongs: Vec<(Micros, Wrong)>,
}

impl List {
    pub(super) fn new(room: Name) -> Self {
        Self {
            room,
            state: State::Out,
            passed: HashSet::new(),
            is_astray: false,
            is_mixed: false,
            wrongs: Vec::new(),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.state, State::Kept(_))
    }

    pub(super) fn is_out(&self) -> bool {
        matches!(self.state, State::Out)
    }

    pub(super) fn last(&self) -> Option<u64> {
        match self.state {
            State::Kept(place) => Some(place.last),
            _ => None,
        }
    }

    pub(super) fn log<'a>(&self, logs: &'a Logs<'_>) -> Option<&'a Log> {
        match self.state {
            State::Kept(Place { epoch: Some(epoch), .. }) => logs.log(self.room, epoch),
            _ => None,
        }
    }

    pub(super) fn forget(&mut self) {
        self.state = State::Forgotten;
    }

    pub(super) fn leave(&mut self) {
        self.state = State::Out;
    }

    /// A new stretch, with a page.
    pub(super) fn begin(&mut self, page: &Page, logs: &Logs<'_>) {
        self.passed.clear();
        (self.is_astray, self.is_mixed) = (false, false);
        let log = page.epoch.and_then(|epoch| logs.log(self.room, epoch));
        let next = log.map_or(0, |log| log.position(page.after + 1).unwrap_or_else(|at| at));
        self.state = State::Kept(Place { epoch: page.epoch, last: page.after, next });
    }

    /// A page that continues the stretch; its messages come one by one.
    pub(super) fn goes_on(&self, page: &Page) -> Option<Wrong> {
        let State::Kept(place) = self.state else { return None };
        let epochs = (place.epoch, page.epoch);
        (place.epoch.is_some() && epochs.0 != epochs.1)
            .then(|| Wrong { epochs, ..Wrong::new(Kind::Mixed, page.upto, place.last) })
    }

    /// Puts a message in, and says what is wrong with that.
    pub(super) fn apply(&mut self, line: &Line, logs: &Logs<'_>) -> Vec<Wrong> {
        let State::Kept(place) = &mut self.state else {
            return vec![Wrong {
                mids: (Some(line.mid), None),
                ..Wrong::new(Kind::NoList, line.seq, 0)
            }];
        };
        let mut wrongs = Vec::new();
        let Some(log) = logs.log(line.room, line.epoch) else { return wrongs };
        let at = log.position(line.seq);
        let last = place.last;
        let mids = (Some(line.mid), None);
        match place.epoch {
            Some(epoch) if epoch != line.epoch => {
                let epochs = (Some(epoch), Some(line.epoch));
                wrongs.push(Wrong { mids, epochs, ..Wrong::new(Kind::Mixed, line.seq, last) });
                // Goes on there, so that this is told once.
                let next = at.unwrap_or_else(|at| at);
                *place = Place { epoch: Some(line.epoch), last: line.seq - 1, next };
            }
            // A room nobody had written in: whichever epoch its first message began.
            None => *place = Place { epoch: Some(line.epoch), last: 0, next: 0 },
            Some(_) if line.seq <= last => {
                let is_late = self.passed.remove(&line.seq);
                let kind = if is_late { Kind::Late } else { Kind::Twice };
                wrongs.push(Wrong { mids, ..Wrong::new(kind, line.seq, last) });
                return wrongs;
            }
            Some(_) => {}
        }
        let to = at.unwrap_or_else(|at| at);
        for missing in log.lines.get(place.next..to).unwrap_or_default() {
            if self.passed.len() < REMEMBERED {
                self.passed.insert(missing.seq);
            }
        }
        if let Some(missing) = log.lines.get(place.next..to).and_then(<[Line]>::first) {
            let there = (None, Some(missing.mid));
            wrongs.push(Wrong { mids: there, ..Wrong::new(Kind::Missing, missing.seq, last) });
        }
        let there = at.ok().map(|at| log.lines[at]);
        if there != Some(*line) {
            self.is_astray = true;
            wrongs.push(Wrong::unlike(line, there));
        }
        place.last = line.seq;
        place.next = at.map_or_else(|at| at, |at| at + 1);
        wrongs
    }

    /// What it lacks of the room's log, at the end.
    pub(super) fn is_short_of(&self, logs: &Logs<'_>) -> Option<String> {
        let room = self.room;
        let end = logs.last_log(room);
        let head = end.and_then(|log| log.lines.last());
        match self.state {
            State::Out => None,
            State::Forgotten => Some(format!("its list of {room} was reset and never begun again")),
            State::Kept(Place { epoch, last, next }) => {
                let is_there = match (epoch, end) {
                    (Some(epoch), Some(log)) => epoch == log.epoch && next >= log.lines.len(),
                    (None, _) => head.is_none(),
                    (Some(_), None) => false,
                };
                let has = epoch.map_or("nothing of no epoch", Name::as_str);
                let end = head.map_or_else(
                    || "is empty".to_owned(),
                    |line| format!("ends at {} {}", line.epoch, line.seq),
                );
                (!is_there)
                    .then(|| format!("its list of {room} ends at {has} {last}; the log {end}"))
            }
        }
    }
}
