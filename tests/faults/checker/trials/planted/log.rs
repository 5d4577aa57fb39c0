//! Faults of what stands in the log: V1 to V4.
use super::{
    super::super::{
        History,
        Invariant::{V1, V2, V3, V4, V5, V8},
        Loss,
    },
    Case, Trouble, case,
    forge::{ADA, BOB, CAREFREE, Forge},
    if_it_can,
};
use crate::records::{Line, text_hash};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("what_is_forged_as_it_should_be", &[], |forge| forge.say(ADA).mid.to_string()),
        if_it_can("an_acked_message_that_is_lost", &[V1], lost),
        if_it_can("one_lost_from_the_middle", &[V1, V4], lost_from_the_middle),
        if_it_can("one_lost_where_only_earlier_epochs_may_be", &[V1], lost).amid(Trouble::Emptied),
        if_it_can("one_lost_at_a_time_when_none_may_be", &[V1], lost_later)
            .amid(Trouble::RolledBack),
        case("a_log_that_was_never_read", &[V1, V4, V5], never_read),
        case("a_log_that_begins_late", &[V1, V4], begins_late),
        case("a_message_twice_in_the_log", &[V2], twice),
        case("a_retried_message_twice_in_the_log", &[V2, V8], twice_by_a_retry),
        case("an_ack_with_another_number", &[V2], acked_elsewhere),
        case("a_dup_with_another_number", &[V2], dup_elsewhere),
        case("two_messages_acked_with_one_number", &[V2], two_with_one_number),
        case("two_readings_that_differ", &[V2], two_readings),
        case("a_message_nobody_sent", &[V3], phantom),
        case("a_message_with_another_text", &[V3], other_text),
        case("a_message_by_another_user", &[V3], other_user),
        case("a_message_in_another_room", &[V3], other_room),
        case("a_hole", &[V4], hole),
        case("two_entries_that_changed_places", &[V4], swapped),
        case("a_head_that_is_missing", &[V4], missing_head),
    ]
}

fn lost(forge: &mut Forge) -> Option<String> {
    forge.log().epoch?;
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1_000);
    Some(line.mid.to_string())
}

fn lost_from_the_middle(forge: &mut Forge) -> Option<String> {
    lost(forge)?;
    let log = forge.log();
    log.head += 1;
    let missing = log.head;
    forge.at += 10_000;
    forge.say(BOB);
    Some(missing.to_string())
}

fn lost_later(forge: &mut Forge) -> Option<String> {
    let Loss::AckedBetween { to, .. } = forge.run.facts.permissions.loss else { return None };
    if forge.at <= to { None } else { lost(forge) }
}

fn never_read(forge: &mut Forge) -> String {
    let room = forge.room;
    forge.run.facts.histories.retain(|history| history.room != room);
    room.to_string()
}

fn begins_late(forge: &mut Forge) -> String {
    let log = forge.log();
    log.entries.drain(..5);
    log.first = 6;
    log.room.to_string()
}

fn twice(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    again(forge, &line);
    line.mid.to_string()
}

fn again(forge: &mut Forge, line: &Line) {
    let line = Line { seq: line.seq + 1, ..*line };
    forge.keep(&line);
    forge.tell_all(&line, forge.at);
}

fn twice_by_a_retry(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let first = forge.send(ADA, &line, forge.at);
    forge.unknown(ADA, first, &line, forge.at + 1_000);
    forge.keep(&line);
    forge.tell_all(&line, forge.at + 2_000);
    let second = forge.send(ADA, &line, forge.at + 3_000);
    forge.ack(ADA, second, &line, forge.at + 4_000);
    forge.at += 5_000;
    again(forge, &line);
    line.mid.to_string()
}

fn acked_elsewhere(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.keep(&line);
    forge.ack(ADA, n, &Line { seq: line.seq + 7, ..line }, forge.at + 1_000);
    forge.tell_all(&line, forge.at + 2_000);
    line.mid.to_string()
}

fn dup_elsewhere(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.answer(ADA, n, &Line { seq: line.seq + 7, ..line }, (forge.at + 1_000, true));
    line.mid.to_string()
}

fn two_with_one_number(forge: &mut Forge) -> String {
    let one = forge.say(ADA);
    let other = forge.message(BOB);
    let n = forge.send(BOB, &other, forge.at);
    forge.ack(BOB, n, &Line { seq: one.seq, ..other }, forge.at + 1_000);
    forge.keep(&other);
    forge.tell_all(&other, forge.at + 2_000);
    other.mid.to_string()
}

fn two_readings(forge: &mut Forge) -> String {
    let log = forge.log();
    let (at, mut entries) = (log.at - 1, log.entries.clone());
    let (one, other) = (entries[3].mid, entries[4].mid);
    (entries[3].mid, entries[4].mid) = (other, one);
    let earlier = History { at, entries, ..log.clone() };
    forge.run.facts.histories.insert(0, earlier);
    one.to_string()
}

fn kept_and_told(forge: &mut Forge, line: &Line) -> String {
    forge.keep(line);
    forge.tell_all(line, forge.at + 2_000);
    line.mid.to_string()
}

fn phantom(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    kept_and_told(forge, &line)
}

fn other_text(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1_000);
    kept_and_told(forge, &Line { text_hash: text_hash("what nobody said"), ..line })
}

fn other_user(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1_000);
    kept_and_told(forge, &Line { user: forge.user(BOB), ..line })
}

fn other_room(forge: &mut Forge) -> String {
    let sent = forge.message(CAREFREE);
    let n = forge.send(CAREFREE, &sent, forge.at);
    forge.unknown(CAREFREE, n, &sent, forge.at + 1_000);
    forge.room = "cold".into();
    let next = forge.message(CAREFREE);
    let Line { mid, text_hash, user, .. } = sent;
    kept_and_told(forge, &Line { mid, text_hash, user, ..next })
}

fn hole(forge: &mut Forge) -> String {
    let log = forge.log();
    log.head += 1;
    let missing = log.head;
    forge.say(ADA);
    missing.to_string()
}

fn swapped(forge: &mut Forge) -> String {
    let log = forge.log();
    log.entries.swap(7, 8);
    "8 follows 9".to_owned()
}

fn missing_head(forge: &mut Forge) -> String {
    let log = forge.log();
    log.head += 1;
    log.head.to_string()
}
