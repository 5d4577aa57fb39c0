//! V10: every send is answered in time, or its transport ends.
use super::{
    Invariant, Target,
    disturbed::{How, Window, windows},
    index::{Attempt, Index, Session, seconds},
    verdict::Judgement,
};
use crate::records::Micros;

/// What a dead store takes away is no excuse: that is what the answer in time is for. What is, is
/// that the node or the client stood still, or that nothing went between them; then the time for
/// an answer begins anew when that is over.
pub(super) fn sends_are_answered(index: &Index<'_>) -> Judgement {
    let facts = &index.run.facts;
    let mut judgement = Judgement::new(Invariant::V10, &facts.permissions);
    let limit = facts.permissions.answer_within + facts.permissions.answer_slack;
    let windows = windows(&facts.faults);
    for attempt in &index.attempts {
        let Some(session) = attempt.session.map(|session| index.sessions[session]) else {
            continue;
        };
        let start = attempt.sent.max(session.from);
        let answered = attempt.answer.map(|(at, _)| at);
        let done = [answered, session.to].into_iter().flatten().min();
        let mut deadline = start + limit;
        if done.is_none_or(|done| done > deadline) {
            let excuses = |window: &&Window| is_excuse(index, &session, window);
            let excuses: Vec<&Window> = windows.iter().filter(excuses).collect();
            deadline = put_off(start, limit, &excuses);
        }
        match done {
            Some(done) if done <= deadline => judgement.examine(1),
            // Still has time, or the run ended before it was over.
            None if deadline > facts.ended => {}
            _ => {
                judgement.examine(1);
                judgement.broken(|| describe(index, attempt, &session, start));
            }
        }
    }
    judgement
}

fn is_excuse(index: &Index<'_>, session: &Session, window: &Window) -> bool {
    let client = index.name(session.client);
    match (window.target, window.how) {
        (Target::Node(node), How::Stopped) | (Target::NodePath(node), How::Broken) => {
            node == session.node
        }
        (Target::Client(stopped), How::Stopped) => stopped == client,
        (Target::ClientPath(broken), How::Broken) => broken == client,
        _ => false,
    }
}

/// The deadline of what began at `start`, given the times that do not count.
fn put_off(start: Micros, limit: Micros, windows: &[&Window]) -> Micros {
    let mut deadline = start + limit;
    loop {
        let over = windows.iter().filter(|window| window.touches(start, deadline));
        let later = over.map(|window| window.to.saturating_add(limit)).max();
        match later {
            Some(later) if later > deadline => deadline = later,
            _ => return deadline,
        }
    }
}

fn describe(index: &Index<'_>, attempt: &Attempt, session: &Session, start: Micros) -> String {
    let came = match (attempt.answer, session.to) {
        (Some((at, _)), _) => format!("was answered after {}", seconds(at - start)),
        (None, Some(to)) => format!("had no answer when its transport ended at {}", seconds(to)),
        (None, None) => "was never answered".to_owned(),
    };
    format!(
        "{} (attempt {} of {} by {}, sent at {}) {came}",
        index.sending_of(attempt).mid,
        attempt.n,
        index.name(attempt.client),
        session.node,
        seconds(start),
    )
}
