//! Faults of order, retries and answers: V6, V7, V8 and V10.
use super::{
    super::{
        super::{
            Invariant::{V6, V7, V8, V10},
            Loss, Target, What,
        },
        world::SECOND,
    },
    Case, Trouble, case,
    forge::{ADA, BOB, CAREFREE, Forge, ROB},
    if_it_can,
};
use crate::records::{Line, text_hash};

pub(super) fn cases() -> Vec<Case> {
    vec![
        if_it_can("a_lost_message_that_stands_where_it_stood_by_chance", &[], stands_again)
            .amid(Trouble::RolledBack),
        case("two_of_one_connection_in_another_order", &[V6], overtaken),
        case("a_message_before_one_that_was_acked_earlier", &[V7], before_what_was_acked),
        case("a_message_before_one_that_was_heard_earlier", &[V7], before_what_was_heard),
        case("a_refused_message_that_is_there", &[V8], refused_and_there),
        case("a_message_acked_as_new_twice", &[V8], new_twice),
        case("a_conflict_of_a_text_with_itself", &[V8], conflict),
        case("two_texts_acked_under_one_mid", &[V8], two_texts),
        case("a_retried_message_that_is_never_acked", &[V8], never_acked),
        case("a_retried_message_never_answered", &[V8, V10], never_answered_nor_retried),
        case("an_answer_that_comes_late", &[V10], late),
        case("an_answer_that_never_comes", &[V10], never_answered),
        case("an_answer_late_by_more_than_the_node_stood_still", &[V10], late_beyond_excuse),
        case("an_answer_late_by_as_much_as_the_node_stood_still", &[], late_with_excuse),
        if_it_can(
            "an_answer_late_at_another_node_than_the_one_that_stood_still",
            &[V10],
            late_elsewhere,
        ),
    ]
}

/// One message after another, kept in that order; told when both are.
fn kept_in_order(forge: &mut Forge, lines: &[(usize, u32, Line)]) {
    let at = forge.at;
    for (by, n, line) in lines {
        forge.keep(line);
        forge.ack(*by, *n, line, at + SECOND);
        forge.tell_all(line, at + SECOND + 1_000);
    }
}

/// Acked, lost, sent again by the other device, and given the same number; what else was said in
/// between stands before it.
fn stands_again(forge: &mut Forge) -> Option<String> {
    let Loss::AckedBetween { to, .. } = forge.run.facts.permissions.loss else { return None };
    if forge.at <= to || !forge.is_connected_at(ADA, to - SECOND) {
        return None;
    }
    let lost = forge.message(ADA);
    let lost = Line { seq: lost.seq + 1, ..lost };
    let n = forge.send(ADA, &lost, to - SECOND);
    forge.ack(ADA, n, &lost, to - SECOND + 1_000);
    forge.say(ADA);
    let n = forge.send(ROB, &lost, forge.at);
    forge.keep(&lost);
    forge.ack(ROB, n, &lost, forge.at + 1_000);
    forge.tell_all(&lost, forge.at + 2_000);
    Some(String::new())
}

fn overtaken(forge: &mut Forge) -> String {
    let (first, second) = (forge.message(ADA), forge.message(ADA));
    let one = forge.send(ADA, &first, forge.at);
    let two = forge.send(ADA, &second, forge.at + 10);
    let later = Line { seq: first.seq + 1, ..first };
    kept_in_order(forge, &[(ADA, two, second), (ADA, one, later)]);
    first.mid.to_string()
}

fn before_what_was_acked(forge: &mut Forge) -> String {
    let (known, after) = (forge.message(ADA), forge.message(BOB));
    let known = Line { seq: known.seq + 1, ..known };
    let n = forge.send(ADA, &known, forge.at);
    forge.ack(ADA, n, &known, forge.at + 100);
    let n = forge.send(BOB, &after, forge.at + 101);
    kept_in_order(forge, &[(BOB, n, after)]);
    forge.keep(&known);
    forge.tell_all(&known, forge.at + 2 * SECOND);
    known.mid.to_string()
}

fn before_what_was_heard(forge: &mut Forge) -> String {
    let (known, after) = (forge.message(CAREFREE), forge.message(BOB));
    let known = Line { seq: known.seq + 1, ..known };
    let n = forge.send(CAREFREE, &known, forge.at);
    forge.unknown(CAREFREE, n, &known, forge.at + 100);
    forge.note(ADA, forge.at + 100, crate::records::Event::Heard { line: known, applied: false });
    let n = forge.send(BOB, &after, forge.at + 101);
    kept_in_order(forge, &[(BOB, n, after)]);
    forge.keep(&known);
    forge.tell_all(&known, forge.at + 2 * SECOND);
    known.mid.to_string()
}

fn refused_and_there(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.refuse(ADA, n, &line, (forge.at + 1_000, "rate_limited_for_good"));
    forge.keep(&line);
    forge.tell_all(&line, forge.at + 2_000);
    line.mid.to_string()
}

fn new_twice(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1_000);
    line.mid.to_string()
}

fn conflict(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.refuse(ADA, n, &line, (forge.at + 1_000, "idempotency_conflict"));
    line.mid.to_string()
}

fn two_texts(forge: &mut Forge) -> String {
    let line = forge.say(ADA);
    let n = forge.send(ADA, &Line { text_hash: text_hash("another"), ..line }, forge.at);
    forge.answer(ADA, n, &line, (forge.at + 1_000, true));
    line.mid.to_string()
}

fn never_acked(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.refuse(ADA, n, &line, (forge.at + 1_000, "unavailable"));
    line.mid.to_string()
}

fn never_answered_nor_retried(forge: &mut Forge) -> String {
    let line = forge.message(ADA);
    forge.send(ADA, &line, forge.at);
    line.mid.to_string()
}

fn never_answered(forge: &mut Forge) -> String {
    let line = forge.message(CAREFREE);
    forge.send(CAREFREE, &line, forge.at);
    line.mid.to_string()
}

fn late(forge: &mut Forge) -> String {
    answered_after(forge, 4 * SECOND)
}

fn answered_after(forge: &mut Forge, wait: u64) -> String {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.keep(&line);
    forge.tell_all(&line, forge.at + 1_000);
    forge.ack(ADA, n, &line, forge.at + wait);
    line.mid.to_string()
}

fn late_beyond_excuse(forge: &mut Forge) -> String {
    stood_still(forge, ADA);
    answered_after(forge, 6 * SECOND)
}

fn late_with_excuse(forge: &mut Forge) -> String {
    stood_still(forge, ADA);
    answered_after(forge, 4 * SECOND)
}

fn late_elsewhere(forge: &mut Forge) -> Option<String> {
    if forge.node(ADA) == forge.node(BOB) {
        return None;
    }
    stood_still(forge, BOB);
    Some(answered_after(forge, 4 * SECOND))
}

/// The node of a client stands still for two seconds.
fn stood_still(forge: &mut Forge, client: usize) {
    let node = Target::Node(forge.node(client));
    forge.fault(forge.at, node, What::Stopped);
    forge.fault(forge.at + 2 * SECOND, node, What::Continued);
}
