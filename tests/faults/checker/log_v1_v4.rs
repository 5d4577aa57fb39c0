//! V1 to V4: what stands in the logs is what was acked, each once, just as it was sent, numbered without holes.
use std::collections::HashMap;

use super::{
    Allowance, History, Invariant, Loss,
    index::{Attempt, Index, seconds},
    logs::{Conflict, Logs, Witness},
    verdict::Judgement,
};
use crate::records::{Line, Micros, Mid, Name};

/// V1: every acked message is in history.
pub(super) fn acked_is_kept(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let permissions = &index.run.facts.permissions;
    let mut judgement = Judgement::new(Invariant::V1, permissions);
    for attempt in &index.attempts {
        let Some((at, epoch, seq)) = attempt.ok() else { continue };
        judgement.examine(1);
        let sending = index.sending_of(attempt);
        let history = logs.last.get(&sending.room);
        if logs.place(&sending.mid).is_some()
            || history.is_some_and(|history| may_be_gone(index, history, at, (epoch, seq)))
        {
            continue;
        }
        let (mid, room) = (sending.mid, sending.room);
        judgement.broken(|| {
            let client = index.name(attempt.client);
            let end = match history {
                Some(history) => shape(history),
                None => "a room whose log was never read".to_owned(),
            };
            format!(
                "{mid} of {client}, acked at {} as {epoch} {seq} of {room}, is not in {end}",
                seconds(at)
            )
        });
    }
    judgement
}

/// Whether the scenario allows that something acked at a time is not in the last reading.
fn may_be_gone(index: &Index<'_>, last: &History, at: Micros, place: (Name, u64)) -> bool {
    let permissions = &index.run.facts.permissions;
    let (epoch, seq) = place;
    let is_trimmed = last.epoch == Some(epoch) && seq < last.first;
    let is_allowed = match permissions.loss {
        Loss::Never => false,
        Loss::EarlierEpochs => last.epoch != Some(epoch),
        Loss::AckedBetween { from, to } => (from..=to).contains(&at),
    };
    is_allowed || is_trimmed && permissions.allows(Allowance::Truncations)
}

fn shape(history: &History) -> String {
    match history.epoch {
        Some(epoch) => format!("the log, {epoch} {} to {}", history.first, history.head),
        None => "the log, which is empty".to_owned(),
    }
}

/// V2: every mid is in history at most once, and a number means one mid, whoever says so.
pub(super) fn nothing_is_doubled(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let permissions = &index.run.facts.permissions;
    let mut judgement = Judgement::new(Invariant::V2, permissions);
    for history in logs.last.values() {
        judgement.examine(history.entries.len());
        for (first, second) in doubles(history) {
            judgement.broken(|| {
                format!(
                    "{} is twice in the log of {}: at {} {} and at {} {}",
                    first.mid, first.room, first.epoch, first.seq, second.epoch, second.seq
                )
            });
        }
    }
    // Where acked messages may be lost, their numbers may be given again; V5 demands that it be told.
    if !matches!(permissions.loss, Loss::AckedBetween { .. }) {
        for conflict in &logs.conflicts {
            judgement.broken(|| conflict.to_text(index));
        }
    }
    for attempt in &index.attempts {
        if let Some((at, epoch, seq)) = attempt.ok() {
            judgement.examine(1);
            acked_where_it_is(index, logs, (attempt, at), (epoch, seq), &mut judgement);
        }
    }
    judgement
}

/// Mids that stand in a log more than once, each further time with the first.
pub(super) fn doubles(history: &History) -> Vec<(&Line, &Line)> {
    let mut seen: HashMap<&Mid, &Line> = HashMap::with_capacity(history.entries.len());
    let mut doubles = Vec::new();
    for line in &history.entries {
        match seen.get(&line.mid) {
            Some(first) => doubles.push((*first, line)),
            None => {
                seen.insert(&line.mid, line);
            }
        }
    }
    doubles
}

fn acked_where_it_is(
    index: &Index<'_>,
    logs: &Logs<'_>,
    (attempt, at): (&Attempt, Micros),
    said: (Name, u64),
    judgement: &mut Judgement,
) {
    let sending = index.sending_of(attempt);
    let Some(line) = logs.place(&sending.mid) else { return };
    let is = (line.epoch, line.seq);
    let last = logs.last.get(&sending.room);
    // Acked, lost with permission, retried, and acked again elsewhere.
    if is == said || last.is_some_and(|last| may_be_gone(index, last, at, said)) {
        return;
    }
    judgement.broken(|| {
        format!(
            "{} was acked to {} (attempt {}, at {}) as {} {} of {}, and stands at {} {}",
            sending.mid,
            index.name(attempt.client),
            attempt.n,
            seconds(at),
            said.0,
            said.1,
            sending.room,
            is.0,
            is.1
        )
    });
}

impl Conflict {
    fn to_text(&self, index: &Index<'_>) -> String {
        let Self { had, other, witness } = self;
        let whose = match *witness {
            Witness::Reading(at) => format!("a reading at {} says", seconds(at)),
            Witness::Reader(client, at) => {
                format!("{} heard or read at {}", index.name(client), seconds(at))
            }
            Witness::Acked(client, at) => {
                format!("{} was told in an ack at {}", index.name(client), seconds(at))
            }
        };
        format!(
            "{} {} of {} is {}, and {whose} that it is {}",
            had.epoch, had.seq, had.room, had.mid, other.mid
        )
    }
}

/// V3: everything in history was sent: this mid, to this room, with this text, by this user.
pub(super) fn all_was_sent(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V3, &index.run.facts.permissions);
    for log in &logs.all {
        let lines = log.lines.iter().chain(log.lost.values());
        for line in lines {
            judgement.examine(1);
            if let Some(wrong) = unlike_what_was_sent(index, line) {
                judgement.broken(|| {
                    let Line { room, epoch, seq, mid, .. } = line;
                    format!("{mid}, {epoch} {seq} of {room}, {wrong}")
                });
            }
        }
    }
    judgement
}

fn unlike_what_was_sent(index: &Index<'_>, line: &Line) -> Option<String> {
    let Some(sending) = index.sending(&line.mid) else {
        return Some("was sent by nobody".to_owned());
    };
    if sending.room != line.room {
        return Some(format!("was sent to {}", sending.room));
    }
    let mut attempts = index.attempts_of(sending);
    if !attempts.clone().any(|attempt| attempt.text_hash == line.text_hash) {
        let sent: Vec<String> =
            attempts.map(|attempt| format!("{:08x}", attempt.text_hash)).collect();
        let sent = sent.join(", ");
        return Some(format!("has text {:08x}, but was sent with {sent}", line.text_hash));
    }
    let is_by = |attempt: &Attempt| index.user_of(attempt).is_none_or(|user| user == line.user);
    if !attempts.clone().any(is_by) {
        let by = attempts.find_map(|attempt| index.user_of(attempt))?;
        return Some(format!("is by {}, but was sent by {by}", line.user));
    }
    None
}

/// V4: numbers rise by one, from the first to the head.
pub(super) fn numbers_rise(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let permissions = &index.run.facts.permissions;
    let mut judgement = Judgement::new(Invariant::V4, permissions);
    let may_hole = permissions.allows(Allowance::Holes);
    let may_begin_late = permissions.allows(Allowance::Truncations);
    for history in &index.run.facts.histories {
        // The entries, and the end.
        judgement.examine(history.entries.len() + usize::from(history.head > 0));
        let room = history.room;
        // Before the first entry lies what retention took, or nothing.
        let mut last = if may_begin_late { history.first.saturating_sub(1) } else { 0 };
        for line in &history.entries {
            let seq = line.seq;
            if Some(line.epoch) != history.epoch {
                let epoch = line.epoch;
                judgement
                    .broken(|| format!("{epoch} {seq} stands in {} of {room}", shape(history)));
            } else if seq <= last {
                judgement.broken(|| format!("in {room}, {seq} follows {last}: {}", shape(history)));
            } else if seq > last + 1 && !may_hole {
                judgement.broken(|| hole(history, last + 1, seq - 1));
            }
            last = last.max(seq);
        }
        if last < history.head && !may_hole {
            judgement.broken(|| hole(history, last + 1, history.head));
        } else if last > history.head {
            judgement.broken(|| format!("{room} has {last}, after its head: {}", shape(history)));
        }
    }
    let never_read = index.sendings.iter().map(|sending| sending.room);
    let mut never_read: Vec<Name> =
        never_read.filter(|room| !logs.last.contains_key(room)).collect();
    never_read.sort_unstable();
    never_read.dedup();
    for room in never_read {
        judgement.broken(|| format!("{room} was written in, and its log was never read"));
    }
    judgement
}

fn hole(history: &History, from: u64, to: u64) -> String {
    format!("{} has no {from} to {to}: {}", history.room, shape(history))
}

/// How often a number in a log is not higher than the one before.
pub(super) fn backward(index: &Index<'_>) -> u64 {
    let histories = index.run.facts.histories.iter();
    let pairs = histories.flat_map(|history| history.entries.windows(2));
    pairs.filter(|pair| pair[1].seq <= pair[0].seq).count() as u64
}
