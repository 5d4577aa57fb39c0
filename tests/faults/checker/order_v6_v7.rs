//! V6 and V7: the log has each connection's messages as they were sent, and what was known before something was sent before it.
use std::collections::HashMap;

use super::{
    Invariant,
    index::{Answer, Index, seconds},
    logs::{Log, Logs},
    verdict::Judgement,
};
use crate::records::{Event, Micros, Mid, Name};

/// V6: per connection and room, what was acked stands in the order sent.
///
/// A `dup` is left out: it stands where an earlier attempt put it, maybe by another connection.
pub(super) fn senders_keep_their_order(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V6, &index.run.facts.permissions);
    // The highest number so far, and by which attempt, of each connection and log.
    let mut last: HashMap<(usize, Name, Name), (u64, usize)> = HashMap::new();
    let permissions = &index.run.facts.permissions;
    // Attempts stand by client, in the order made.
    for (number, attempt) in index.attempts.iter().enumerate() {
        let (Some(session), Some((at, Answer::Ok { epoch, seq, dup: false }))) =
            (attempt.session, attempt.answer)
        else {
            continue;
        };
        let sending = index.sending_of(attempt);
        // What does not stand there is lost or elsewhere, which V1 and V2 look for.
        if permissions.is_unclear(at) || !stands(logs.log(sending.room, epoch), seq, &sending.mid) {
            continue;
        }
        judgement.examine(1);
        let key = (session, sending.room, epoch);
        let (highest, by) = *last.entry(key).or_insert((seq, number));
        if seq >= highest {
            last.insert(key, (seq, number));
            continue;
        }
        judgement.broken(|| {
            let before = &index.attempts[by];
            format!(
                "{} sent {} at {} and then {} at {} to {}, by one connection; they stand at {epoch} \
                 {highest} and {seq}",
                index.name(attempt.client),
                index.sending_of(before).mid,
                seconds(before.sent),
                sending.mid,
                seconds(attempt.sent),
                sending.room,
            )
        });
    }
    judgement
}

fn stands(log: Option<&Log>, seq: u64, mid: &Mid) -> bool {
    let there = log.and_then(|log| Some(log.lines[log.position(seq).ok()?]));
    there.is_some_and(|line| line.mid == *mid)
}

/// V7: if a message was known to anybody before another was first sent, it stands before it.
pub(super) fn order_is_that_of_time(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V7, &index.run.facts.permissions);
    let known = first_known(index, logs);
    for log in &logs.all {
        let Some(known) = known.get(&(log.room, log.epoch)) else { continue };
        // The earliest known of those after the one that is looked at.
        let mut later: Option<(Micros, usize)> = None;
        for (at, line) in log.lines.iter().enumerate().rev() {
            let sent = index.sending(&line.mid).map(|sending| sending.first_sent);
            judgement.examine(usize::from(sent.is_some() && known[at] < Micros::MAX));
            if let (Some(sent), Some((was_known, other))) = (sent, later)
                && was_known < sent
            {
                judgement.broken(|| {
                    let other = log.lines[other];
                    format!(
                        "{}, known at {}, stands at {} of {}, after {} at {}, first sent at {}",
                        other.mid,
                        seconds(was_known),
                        other.seq,
                        log.room,
                        line.mid,
                        line.seq,
                        seconds(sent),
                    )
                });
            }
            if later.is_none_or(|(earliest, _)| known[at] < earliest) {
                later = Some((known[at], at));
            }
        }
    }
    judgement
}

/// For each log, when each of its lines was first known to anybody: acked, heard, or read.
fn first_known(index: &Index<'_>, logs: &Logs<'_>) -> HashMap<(Name, Name), Vec<Micros>> {
    let mut known: HashMap<(Name, Name), Vec<Micros>> = logs
        .all
        .iter()
        .map(|log| ((log.room, log.epoch), vec![Micros::MAX; log.lines.len()]))
        .collect();
    let permissions = &index.run.facts.permissions;
    let mut learn = |log: Option<&Log>, seq: u64, mid: &Mid, at: Micros| {
        let Some(log) = log.filter(|_| !permissions.is_unclear(at)) else { return };
        if let (Ok(place), Some(known)) = (log.position(seq), known.get_mut(&(log.room, log.epoch)))
            && log.lines[place].mid == *mid
        {
            known[place] = known[place].min(at);
        }
    };
    for client in 0..index.run.clients.len() {
        for record in index.records(client) {
            if let Event::Heard { line, .. } | Event::Applied { line } = &record.event {
                learn(logs.log(line.room, line.epoch), line.seq, &line.mid, record.at);
            }
        }
    }
    for attempt in &index.attempts {
        if let Some((at, epoch, seq)) = attempt.ok() {
            let sending = index.sending_of(attempt);
            learn(logs.log(sending.room, epoch), seq, &sending.mid, at);
        }
    }
    known
}
