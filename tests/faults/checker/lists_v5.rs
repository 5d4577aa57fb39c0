//! V5: every member's list is the history from where it came in: each message once, in order, and to the end.
use super::{
    Allowance, Invariant, Loss,
    index::{Index, seconds},
    list::{Kind, List, Wrong},
    logs::Logs,
    verdict::Judgement,
};
use crate::records::{Cursor, Event, Line, Micros, Name, Page};

/// What the lists show besides whether they are right; for the report.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) twice: u64,
    pub(super) out_of_order: u64,
    pub(super) resets: u64,
    pub(super) truncations: u64,
    /// Raw arrivals that repeat an earlier one, and that leave some out.
    pub(super) repeats: u64,
    pub(super) leaps: u64,
}

pub(super) fn lists_are_the_log(index: &Index<'_>, logs: &Logs<'_>) -> (Judgement, Counts) {
    let judgement = Judgement::new(Invariant::V5, &index.run.facts.permissions);
    let mut lists = Lists { index, logs, judgement, counts: Counts::default() };
    for client in 0..index.run.clients.len() {
        if index.run.clients[client].client.rule {
            Reader { lists: &mut lists, client, rooms: Vec::new(), is_connected: false }.all();
        } else {
            lists.only_heard(client);
        }
    }
    (lists.judgement, lists.counts)
}

struct Lists<'a> {
    index: &'a Index<'a>,
    logs: &'a Logs<'a>,
    judgement: Judgement,
    counts: Counts,
}

impl Lists<'_> {
    fn allows(&self, what: Allowance) -> bool {
        self.index.run.facts.permissions.allows(what)
    }

    fn broken(&mut self, client: usize, at: Micros, how: impl FnOnce() -> String) {
        let client = self.index.name(client);
        self.judgement.broken(|| format!("{client} at {}: {}", seconds(at), how()));
    }

    /// A client without the rule has no list; what it hears must still be what the log has.
    fn only_heard(&mut self, client: usize) {
        for record in self.index.records(client) {
            if let Event::Heard { line, .. } = &record.event {
                self.judgement.examine(1);
                let log = self.logs.log(line.room, line.epoch);
                let there = log.and_then(|log| Some(log.lines[log.position(line.seq).ok()?]));
                let may_fork =
                    matches!(self.index.run.facts.permissions.loss, Loss::AckedBetween { .. })
                        && log.and_then(|log| log.fork).is_some_and(|fork| line.seq >= fork);
                if there != Some(*line) && !may_fork {
                    self.broken(client, record.at, || {
                        Wrong::unlike(line, there).to_text(line.room)
                    });
                }
            }
        }
    }
}

/// How a stretch of a list ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client was told to forget it.
    Reset,
    /// The client left.
    Gone,
    Other,
}

/// What arrived live in one room, before the rule.
#[derive(Debug, Default, Clone, Copy)]
struct Arrivals {
    last: Option<(Name, u64)>,
}

/// One client with the rule, being read.
struct Reader<'l, 'a> {
    lists: &'l mut Lists<'a>,
    client: usize,
    rooms: Vec<(List, Arrivals)>,
    is_connected: bool,
}

impl Reader<'_, '_> {
    fn all(mut self) {
        for record in self.lists.index.records(self.client) {
            let at = record.at;
            match &record.event {
                Event::Connected { .. } => self.is_connected = true,
                Event::Disconnected { .. } => {
                    self.is_connected = false;
                    self.rooms.iter_mut().for_each(|(_, arrivals)| arrivals.last = None);
                }
                Event::Joined { page, since, has_more, truncated, reset } => {
                    self.joined(at, page, *since, (*truncated, *reset));
                    let live_from = page.epoch.filter(|_| !has_more).map(|e| (e, page.upto));
                    self.room(page.room).1.last = live_from;
                }
                Event::Paged { page, anew: true } => self.paged_anew(at, page),
                Event::Heard { line, applied } => {
                    self.arrived(at, line);
                    if *applied {
                        self.applied(at, line);
                    }
                }
                Event::Applied { line } => self.applied(at, line),
                Event::Reset { room, reason } => self.reset(at, *room, *reason),
                Event::Left { room } => self.left(*room),
                Event::Closed => {
                    for number in 0..self.rooms.len() {
                        self.settle(number, End::Gone);
                    }
                    return;
                }
                _ => {}
            }
        }
        self.end();
    }

    fn number(&mut self, room: Name) -> usize {
        let known = self.rooms.iter().position(|(list, _)| list.room == room);
        known.unwrap_or_else(|| {
            self.rooms.push((List::new(room), Arrivals::default()));
            self.rooms.len() - 1
        })
    }

    fn room(&mut self, room: Name) -> &mut (List, Arrivals) {
        let number = self.number(room);
        &mut self.rooms[number]
    }

    fn joined(
        &mut self,
        at: Micros,
        page: &Page,
        since: Option<Cursor>,
        (truncated, reset): (bool, Option<Name>),
    ) {
        let number = self.number(page.room);
        if let Some(reason) = reset {
            self.reset(at, page.room, reason);
            if let Some(how) = untrue(reason, since, page) {
                self.lists.broken(self.client, at, || format!("{}: {how}", page.room));
            }
        } else if let (Some(since), true) = (since, truncated) {
            self.truncated(at, page, since.seq);
        } else if since.is_some() {
            let list = &mut self.rooms[number].0;
            if list.is_kept() {
                let wrong = list.goes_on(page);
                self.rooms[number].0.wrongs.extend(wrong.map(|wrong| (at, wrong)));
                return;
            }
        } else if self.rooms[number].0.last().is_some_and(|last| last > 0) {
            let room = page.room;
            self.lists.broken(self.client, at, || {
                format!("came back to {room} without saying what it had: its list begins anew")
            });
        }
        self.begin(number, page);
    }

    fn paged_anew(&mut self, at: Micros, page: &Page) {
        let number = self.number(page.room);
        if let Some(last) = self.rooms[number].0.last() {
            self.truncated(at, page, last);
        }
        self.begin(number, page);
    }

    /// The list begins anew because what follows `last` is no longer kept; if that is so.
    fn truncated(&mut self, at: Micros, page: &Page, last: u64) {
        self.lists.counts.truncations += 1;
        let room = page.room;
        let oldest = self.lists.logs.last.get(&room).map(|history| history.first);
        let how = if !self.lists.allows(Allowance::Truncations) {
            "which nothing explains"
        } else if page.first <= last + 1 {
            "though what follows is still kept"
        } else if oldest.is_some_and(|oldest| page.first > oldest)
            && self.lists.logs.last_log(room).is_some_and(|log| Some(log.epoch) == page.epoch)
        {
            "though the log still had older ones at the end"
        } else if page.after < last {
            "with a page that repeats what it had"
        } else {
            return;
        };
        let (first, after) = (page.first, page.after);
        self.lists.broken(self.client, at, || {
            format!("was cut off in {room} after {last}, {how} (first {first}, page after {after})")
        });
    }

    fn begin(&mut self, number: usize, page: &Page) {
        self.settle(number, End::Other);
        self.rooms[number].0.begin(page, self.lists.logs);
    }

    fn arrived(&mut self, at: Micros, line: &Line) {
        let logs = self.lists.logs;
        let number = self.number(line.room);
        let last = &mut self.rooms[number].1.last;
        let Some((epoch, before)) = last.replace((line.epoch, line.seq)) else { return };
        if epoch != line.epoch {
            return;
        }
        let how = if line.seq <= before {
            self.lists.counts.repeats += 1;
            // What comes next is measured by the newest, not by the repeat.
            *last = Some((epoch, before));
            "again or late"
        } else {
            let Some(log) = logs.log(line.room, epoch) else { return };
            let between = |seq| log.position(seq).unwrap_or_else(|at| at);
            if between(line.seq) <= between(before + 1) {
                return;
            }
            self.lists.counts.leaps += 1;
            "with some left out"
        };
        if self.lists.index.run.facts.permissions.dense_arrivals {
            let Line { room, seq, .. } = *line;
            self.lists.broken(self.client, at, || {
                format!("{seq} of {room} arrived {how}, after {before}")
            });
        }
    }

    fn applied(&mut self, at: Micros, line: &Line) {
        self.lists.judgement.examine(1);
        let number = self.number(line.room);
        let list = &mut self.rooms[number].0;
        let wrongs = list.apply(line, self.lists.logs);
        let is_unclear = self.lists.index.run.facts.permissions.is_unclear(at);
        list.is_mixed |= list.is_astray && wrongs.is_empty() && !is_unclear;
        for wrong in wrongs {
            match wrong.kind {
                Kind::Twice => self.lists.counts.twice += 1,
                Kind::Late => self.lists.counts.out_of_order += 1,
                _ => {}
            }
            self.rooms[number].0.wrongs.push((at, wrong));
        }
    }

    fn reset(&mut self, at: Micros, room: Name, reason: Name) {
        self.lists.counts.resets += 1;
        if !self.lists.allows(Allowance::Resets) {
            self.lists.broken(self.client, at, || {
                format!("its list of {room} was reset ({reason}), which nothing explains")
            });
        }
        let number = self.number(room);
        self.settle(number, End::Reset);
        let (list, arrivals) = &mut self.rooms[number];
        list.forget();
        arrivals.last = None;
    }

    fn left(&mut self, room: Name) {
        let number = self.number(room);
        self.settle(number, End::Gone);
        let (list, arrivals) = &mut self.rooms[number];
        list.leave();
        arrivals.last = None;
    }

    /// A stretch of the list ends, and what is wrong with it is told; unless the scenario allows
    /// that the log has two pasts, and the list was of one of them only and had its end told, or
    /// was not there any more to be told.
    fn settle(&mut self, number: usize, end: End) {
        let list = &mut self.rooms[number].0;
        let (room, wrongs) = (list.room, std::mem::take(&mut list.wrongs));
        let fork = list.log(self.lists.logs).and_then(|log| log.fork);
        let loss = self.lists.index.run.facts.permissions.loss;
        let is_excused = end == End::Reset || end == End::Gone && !list.is_mixed;
        let may_fork = is_excused && matches!(loss, Loss::AckedBetween { .. });
        for (at, wrong) in wrongs {
            if may_fork && fork.is_some_and(|fork| wrong.is_of_two_pasts(fork)) {
                continue;
            }
            self.lists.broken(self.client, at, || wrong.to_text(room));
        }
    }

    /// The run has ended and the client was there: its lists are complete.
    fn end(mut self) {
        let ended = self.lists.index.run.facts.ended;
        let logs = self.lists.logs;
        for number in 0..self.rooms.len() {
            self.settle(number, End::Other);
            let list = &self.rooms[number].0;
            if list.is_out() {
                continue;
            }
            self.lists.judgement.examine(1);
            if !self.is_connected {
                let room = list.room;
                self.lists.broken(self.client, ended, || format!("never came back to {room}"));
            } else if let Some(how) = list.is_short_of(logs) {
                self.lists.broken(self.client, ended, || how);
            }
        }
    }
}

/// What is wrong with the reason for a reset, where that can be seen.
fn untrue(reason: Name, since: Option<Cursor>, page: &Page) -> Option<String> {
    let since = since?;
    let is_other_epoch = since.epoch != page.epoch;
    let is_true = match reason.as_str() {
        "epoch_changed" => is_other_epoch,
        "rolled_back" => !is_other_epoch && page.head < since.seq,
        "diverged" => !is_other_epoch,
        _ => false,
    };
    let (had, now) = ((since.epoch, since.seq), (page.epoch, page.head));
    (!is_true).then(|| format!("reset as {reason}, from {had:?} to {now:?}"))
}
