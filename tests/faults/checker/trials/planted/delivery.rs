//! Faults of what members have in their lists: V5.
use super::{
    super::super::Invariant::{V2, V5},
    Case, Trouble, case,
    forge::{ADA, BOB, Forge, PLAIN, ROB},
    if_it_can,
};
use crate::records::{Event, Line, Name, Record, text_hash};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_message_that_one_has_twice", &[V5], twice),
        case("two_messages_that_one_has_the_other_way_round", &[V5], swapped),
        case("a_message_that_one_lacks", &[V5], missing),
        case("a_last_message_that_one_lacks", &[V5], missing_last),
        case("a_text_that_one_has_otherwise", &[V5], other_text),
        case("a_text_that_one_without_the_rule_hears_otherwise", &[V5], other_text_heard),
        case("a_message_that_stands_elsewhere_for_one", &[V2, V5], other_message),
        case("a_message_of_no_log", &[V5], of_no_log),
        case("a_client_that_never_comes_back", &[V5], never_back),
        if_it_can("a_list_begun_anew_without_a_reason", &[V5], no_cursor),
        case("arrivals_with_holes_where_there_may_be_none", &[V5], not_dense),
        case("a_reset_that_nothing_explains", &[V5], reset).amid(Trouble::Nothing),
        if_it_can("an_epoch_that_changes_without_a_reset", &[V5], epochs_mixed)
            .amid(Trouble::Emptied),
        if_it_can("a_past_that_is_lost_without_a_reset", &[V5], past_kept)
            .amid(Trouble::RolledBack),
        case("a_list_reset_and_never_begun_again", &[V5], never_begun).amid(Trouble::Emptied),
        if_it_can("a_reset_with_an_untrue_reason", &[V5], untrue_reason).amid(Trouble::Emptied),
        if_it_can("a_list_cut_off_that_was_still_kept", &[V5], cut_off_early)
            .amid(Trouble::Retention),
        if_it_can("a_list_cut_off_by_what_was_kept_at_the_end", &[V5], cut_off_far)
            .amid(Trouble::Retention),
    ]
}

fn twice(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    forge.tell(ROB, &line, forge.at);
    line.mid.to_string()
}

/// A message that only some were told, as it should have been.
fn said_to_all_but(forge: &mut Forge, but: &[usize]) -> Line {
    let line = forge.message(ADA);
    let at = forge.at;
    let n = forge.send(ADA, &line, at);
    forge.keep(&line);
    forge.ack(ADA, n, &line, at + 1_000);
    forge.tell_all_but(but, &line, at + 2_000);
    forge.at += 10_000;
    line
}

fn swapped(forge: &mut Forge) -> String {
    let first = said_to_all_but(forge, &[ROB]);
    forge.say(ADA);
    forge.tell(ROB, &first, forge.at);
    format!("client-{ROB}")
}

fn missing(forge: &mut Forge) -> String {
    let first = said_to_all_but(forge, &[ROB]);
    forge.say(ADA);
    first.mid.to_string()
}

fn missing_last(forge: &mut Forge) -> String {
    let line = said_to_all_but(forge, &[ROB]);
    format!("ends at {} {}", line.epoch, line.seq)
}

fn other_text(forge: &mut Forge) -> String {
    let line = said_to_all_but(forge, &[ADA]);
    forge.tell(ADA, &Line { text_hash: text_hash("otherwise"), ..line }, forge.at);
    line.mid.to_string()
}

fn other_text_heard(forge: &mut Forge) -> String {
    let line = said_to_all_but(forge, &[PLAIN]);
    forge.tell(PLAIN, &Line { text_hash: text_hash("otherwise"), ..line }, forge.at);
    line.mid.to_string()
}

fn other_message(forge: &mut Forge) -> String {
    let first = said_to_all_but(forge, &[ROB]);
    let second = said_to_all_but(forge, &[ROB]);
    forge.tell(ROB, &Line { seq: first.seq, ..second }, forge.at);
    forge.tell(ROB, &Line { seq: second.seq, ..first }, forge.at);
    second.mid.to_string()
}

fn of_no_log(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.refuse(ADA, n, &line, (forge.at + 1_000, "too_large"));
    forge.tell(PLAIN, &line, forge.at + 2_000);
    line.mid.to_string()
}

fn never_back(forge: &mut Forge) -> String {
    let why = Name::new("transport close");
    forge.note(ADA, forge.at, Event::Disconnected { why });
    format!("client-{ADA}")
}

/// Somebody comes back and is treated as if it had nothing.
fn no_cursor(forge: &mut Forge) -> Option<String> {
    let (client, at) = forge.find(|event| {
        matches!(event, Event::Joined { since: Some(since), truncated: false, .. } if since.seq > 0)
    })?;
    if let Event::Joined { since, .. } = &mut forge.run.clients[client].records[at].event {
        *since = None;
    }
    Some(format!("client-{client}"))
}

fn not_dense(forge: &mut Forge) -> String {
    forge.run.facts.permissions.dense_arrivals = true;
    let first = said_to_all_but(forge, &[ADA]);
    let second = said_to_all_but(forge, &[ADA]);
    forge.note(ADA, forge.at, Event::Heard { line: second, applied: false });
    // It then reads both, as it should.
    for line in [first, second] {
        forge.note(ADA, forge.at, Event::Applied { line });
    }
    "arrived with some left out".to_owned()
}

fn reset(forge: &mut Forge) -> String {
    let (room, reason) = (forge.room, Name::new("diverged"));
    let first = forge.message(ADA).seq;
    let log = forge.log();
    let page = crate::records::Page {
        room,
        epoch: log.epoch,
        head: log.head,
        first: log.first,
        after: first - 1,
        upto: first - 1,
    };
    forge.note(ADA, forge.at, Event::Reset { room, reason });
    forge.note(ADA, forge.at, Event::Paged { page, anew: true });
    "was reset (diverged)".to_owned()
}

fn epochs_mixed(forge: &mut Forge) -> Option<String> {
    let Line { seq, mid, epoch, .. } = not_told(forge)?;
    Some(format!("mixes epochs: {seq} ({mid}) of {epoch}"))
}

fn past_kept(forge: &mut Forge) -> Option<String> {
    not_told(forge)?;
    Some("where the log has".to_owned())
}

/// A client that had what was lost goes on as if nothing had happened; says with what.
fn not_told(forge: &mut Forge) -> Option<Line> {
    let histories = &forge.run.facts.histories;
    let kept: Vec<Line> = histories.iter().rev().take(2).flat_map(|h| h.entries.clone()).collect();
    for client in [ADA, ROB, BOB] {
        let records = &mut forge.run.clients[client].records;
        let Some(at) =
            records.iter().position(|record| matches!(record.event, Event::Reset { .. }))
        else {
            continue;
        };
        let Event::Reset { room, .. } = records[at].event else { continue };
        let had = records[..at].iter().filter_map(|record| match &record.event {
            Event::Heard { line, applied: true } | Event::Applied { line } => Some(*line),
            _ => None,
        });
        let had: Vec<Line> = had.filter(|line| line.room == room).collect();
        let is_begun_anew = matches!(
            records.get(at + 1).map(|record| &record.event),
            Some(Event::Paged { page, anew: true }) if page.head > 0
        );
        // Told again, it would have been told.
        let is_once = records.iter().filter(|record| is_reset_of(&record.event, room)).count() == 1;
        if is_begun_anew && is_once && !had.iter().all(|line| kept.contains(line)) {
            // Nor does it take from the page what it has numbers for.
            let of_page = |record: &Record| {
                matches!(&record.event, Event::Applied { line }
                if had.iter().any(|had| had.epoch == line.epoch && had.seq >= line.seq))
            };
            let page = records[at + 2..].iter().take_while(|record| of_page(record)).count();
            records.drain(at..at + 2 + page);
            return records[at..].iter().find_map(|record| match &record.event {
                Event::Heard { line, applied: true } | Event::Applied { line } => {
                    (line.room == room).then_some(*line)
                }
                _ => None,
            });
        }
    }
    None
}

fn is_reset_of(event: &Event, of: Name) -> bool {
    match event {
        Event::Reset { room, .. } => *room == of,
        Event::Joined { page, reset: Some(_), .. } => page.room == of,
        _ => false,
    }
}

fn never_begun(forge: &mut Forge) -> String {
    let (room, reason) = (forge.room, Name::new("epoch_changed"));
    forge.note(ADA, forge.at, Event::Reset { room, reason });
    "never begun again".to_owned()
}

fn untrue_reason(forge: &mut Forge) -> Option<String> {
    let (client, at) = forge.find(|event| matches!(event, Event::Joined { reset: Some(_), .. }))?;
    if let Event::Joined { reset, .. } = &mut forge.run.clients[client].records[at].event {
        *reset = Some(Name::new("rolled_back"));
    }
    Some("reset as rolled_back".to_owned())
}

fn cut_off_early(forge: &mut Forge) -> Option<String> {
    let (client, at) =
        forge.find(|event| matches!(event, Event::Joined { truncated: true, .. }))?;
    if let Event::Joined { page, since: Some(since), .. } =
        &mut forge.run.clients[client].records[at].event
    {
        page.first = since.seq + 1;
    }
    Some("still kept".to_owned())
}

fn cut_off_far(forge: &mut Forge) -> Option<String> {
    let (client, at) =
        forge.find(|event| matches!(event, Event::Joined { truncated: true, .. }))?;
    if let Event::Joined { page, .. } = &mut forge.run.clients[client].records[at].event {
        page.first += 1_000;
    }
    Some("had older ones at the end".to_owned())
}
