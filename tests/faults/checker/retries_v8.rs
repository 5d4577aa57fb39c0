//! V8: what was refused or unknown is there at most once, and what is retried until it is acked exactly once.
use std::collections::HashMap;

use super::{
    Allowance, Invariant,
    index::{Answer, Attempt, Index, Sending, seconds},
    logs::Logs,
    verdict::Judgement,
};
use crate::records::{Micros, Mid};

pub(super) fn retries_end_in_one(index: &Index<'_>, logs: &Logs<'_>) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V8, &index.run.facts.permissions);
    let times = times_there(logs);
    let closed: Vec<Option<Micros>> =
        (0..index.run.clients.len()).map(|client| index.closed(client)).collect();
    for sending in &index.sendings {
        judgement.examine(1);
        let attempts: Vec<&Attempt> = index.attempts_of(sending).collect();
        let times = times.get(&sending.mid).copied().unwrap_or(0);
        for wrong in [
            there_more_than_once(&attempts, times),
            refused_and_there(&attempts, times),
            new_twice(index, &attempts),
            wrong_about_the_text(&attempts),
            unfinished(index, &attempts, &closed),
        ]
        .into_iter()
        .flatten()
        {
            judgement.broken(|| describe(index, sending, &wrong));
        }
    }
    judgement
}

fn times_there(logs: &Logs<'_>) -> HashMap<Mid, usize> {
    let mut times = HashMap::new();
    for line in logs.last.values().flat_map(|history| &history.entries) {
        *times.entry(line.mid).or_default() += 1;
    }
    times
}

/// The mid, what is wrong, and each attempt with its answer.
fn describe(index: &Index<'_>, sending: &Sending, wrong: &str) -> String {
    let attempts = index.attempts_of(sending).map(|attempt| {
        let answer = match attempt.answer {
            None => "no answer".to_owned(),
            Some((at, Answer::Ok { epoch, seq, dup })) => {
                format!("ok {epoch} {seq}, dup {dup}, at {}", seconds(at))
            }
            Some((at, Answer::No { code, outcome, .. })) => {
                format!("{code}, outcome {outcome:?}, at {}", seconds(at))
            }
        };
        format!("{} at {}: {answer}", index.name(attempt.client), seconds(attempt.sent))
    });
    let attempts = attempts.take(8).collect::<Vec<_>>().join("; ");
    format!("{} of {} {wrong} ({attempts})", sending.mid, sending.room)
}

/// V2 sees every double; here it is told of those that came of a retry.
fn there_more_than_once(attempts: &[&Attempt], times: usize) -> Option<String> {
    let is_retried = attempts.len() > 1 || attempts.iter().any(|attempt| attempt.ok().is_none());
    (times > 1 && is_retried).then(|| format!("was tried again and is there {times} times"))
}

fn refused_and_there(attempts: &[&Attempt], times: usize) -> Option<String> {
    let is_refused = !attempts.iter().any(|attempt| attempt.may_have_happened());
    (times > 0 && is_refused).then(|| "was refused as not taken, and is there".to_owned())
}

fn new_twice(index: &Index<'_>, attempts: &[&Attempt]) -> Option<String> {
    let mut new = Vec::new();
    for attempt in attempts {
        if let Some((at, Answer::Ok { epoch, seq, dup: false })) = attempt.answer
            && !index.run.facts.permissions.is_unclear(at)
        {
            if new.contains(&(epoch, seq)) {
                let client = index.name(attempt.client);
                return Some(format!("was acked as new twice; the second time to {client}"));
            }
            new.push((epoch, seq));
        }
    }
    None
}

fn wrong_about_the_text(attempts: &[&Attempt]) -> Option<String> {
    let first = attempts.first()?.text_hash;
    let is_one_text = attempts.iter().all(|attempt| attempt.text_hash == first);
    let is_conflict = |attempt: &&&Attempt| {
        let answer = attempt.answer.map(|(_, answer)| answer);
        matches!(answer, Some(Answer::No { code, .. }) if code.as_str() == "idempotency_conflict")
    };
    if is_one_text {
        let told = attempts.iter().find(is_conflict)?;
        let at = seconds(told.sent);
        return Some(format!("was sent with one text, and refused as a conflict (sent at {at})"));
    }
    let mut acked = attempts.iter().filter(|attempt| attempt.ok().is_some());
    let text = acked.next()?.text_hash;
    let is_other = acked.any(|attempt| attempt.text_hash != text);
    is_other.then(|| "was acked with two texts".to_owned())
}

/// A client that retries, and was there to the end, has a final answer to each of its messages.
fn unfinished(
    index: &Index<'_>,
    attempts: &[&Attempt],
    closed: &[Option<Micros>],
) -> Option<String> {
    let facts = &index.run.facts;
    let permissions = &facts.permissions;
    if permissions.allows(Allowance::Unfinished) {
        return None;
    }
    // What was sent just before the end may wait for its answer.
    let recent = facts.ended.saturating_sub(permissions.answer_within + permissions.answer_slack);
    let mut clients: Vec<usize> = attempts.iter().map(|attempt| attempt.client).collect();
    clients.sort_unstable();
    clients.dedup();
    let is_unfinished = |client: &usize| {
        let mut own = attempts.iter().filter(|attempt| attempt.client == *client);
        index.run.clients[*client].client.retries
            && closed[*client].is_none()
            && own.clone().all(|attempt| attempt.sent < recent)
            && !own.any(|attempt| is_final(attempt))
    };
    let client = clients.into_iter().find(is_unfinished)?;
    Some(format!("has no final answer for {}, which retries", index.name(client)))
}

fn is_final(attempt: &Attempt) -> bool {
    match attempt.answer {
        Some((_, Answer::Ok { .. })) => true,
        Some((_, Answer::No { retryable, .. })) => !retryable,
        None => false,
    }
}
