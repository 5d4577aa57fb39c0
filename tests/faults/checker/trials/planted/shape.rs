//! Faults of the records themselves: nothing to look at, and what does not fit together.
use libtest_mimic::{Failed, Trial};

use super::{
    super::{
        super::{Check, Facts, Invariant, Permissions, Ruling, Run},
        world::Trouble,
    },
    forge::{ADA, BOB, Forge},
};
use crate::records::{Event, Line};

type Spoil = fn(&mut Forge);

pub(super) fn trials() -> Vec<Trial> {
    let odd: [(&str, Spoil); 6] = [
        ("a_second_answer", second_answer),
        ("an_answer_to_nothing", answer_to_nothing),
        ("an_answer_about_another_message", answer_about_another),
        ("a_mid_in_two_rooms", two_rooms),
        ("a_clock_that_goes_back", clock_goes_back),
        ("an_end_after_everybody_was_closed", all_closed),
    ];
    let odd = odd.map(|(name, spoil)| {
        Trial::test(format!("checker::will_not_judge::{name}"), move || is_odd(spoil))
    });
    let nothing = Trial::test("checker::will_not_judge::what_shows_nothing", nothing_seen);
    let excused = Trial::test("checker::passes::what_is_excused_from_being_judged", excused);
    odd.into_iter().chain([nothing, excused]).collect()
}

fn is_odd(spoil: Spoil) -> Result<(), Failed> {
    let mut forge = Forge::new(1, Trouble::Nothing);
    spoil(&mut forge);
    let check = Check::new(&forge.run);
    let verdict = check.verdict();
    if verdict.oddities.is_empty() || verdict.holds() {
        return Err(format!("it was taken for a run like any other:\n{verdict}").into());
    }
    Ok(())
}

fn second_answer(forge: &mut Forge) {
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.keep(&line);
    forge.tell_all(&line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1);
    forge.ack(ADA, n, &line, forge.at + 2);
}

fn answer_to_nothing(forge: &mut Forge) {
    let line = forge.say(ADA);
    forge.answer(BOB, 999_999, &line, (forge.at, true));
}

fn answer_about_another(forge: &mut Forge) {
    let (one, other) = (forge.say(ADA), forge.say(ADA));
    let n = forge.send(ADA, &one, forge.at);
    forge.answer(ADA, n, &other, (forge.at, true));
}

fn two_rooms(forge: &mut Forge) {
    let line = forge.say(ADA);
    let elsewhere = Line { room: "cold".into(), ..line };
    let n = forge.send(ADA, &elsewhere, forge.at);
    forge.refuse(ADA, n, &elsewhere, (forge.at, "not_member"));
}

fn clock_goes_back(forge: &mut Forge) {
    forge.run.clients[ADA].records.swap(3, 4);
}

fn all_closed(forge: &mut Forge) {
    for client in 0..forge.run.clients.len() {
        forge.note(client, forge.run.facts.ended, Event::Closed);
    }
}

fn nothing_seen() -> Result<(), Failed> {
    let run = Run { clients: Vec::new(), facts: Facts::default() };
    let check = Check::new(&run);
    let verdict = check.verdict();
    let is_nothing = verdict.judgements.iter().all(|each| each.ruling() == Ruling::NothingSeen);
    if verdict.holds() || !is_nothing {
        return Err(format!("of nothing it was said:\n{verdict}").into());
    }
    Ok(())
}

/// V12 needs a minute that not every run takes; but what is seen to be broken stays broken.
fn excused() -> Result<(), Failed> {
    let excused = |forge: &mut Forge| {
        let permissions = std::mem::take(&mut forge.run.facts.permissions);
        forge.run.facts.permissions = permissions.without(Invariant::V12, "there is no time");
    };
    let mut forge = Forge::new(1, Trouble::Nothing);
    (forge.run.facts.samples, forge.run.facts.store_samples) = Default::default();
    let without = Check::new(&forge.run).verdict().of(Invariant::V12).ruling();
    excused(&mut forge);
    let check = Check::new(&forge.run);
    if without != Ruling::NothingSeen || !check.verdict().holds() {
        return Err(format!("without samples {without:?}, then:\n{}", check.verdict()).into());
    }
    let permissions = Permissions::default().without(Invariant::V1, "nobody looks");
    let mut forge = Forge::new(1, Trouble::Nothing);
    forge.run.facts.permissions = permissions;
    let line = forge.message(ADA);
    let n = forge.send(ADA, &line, forge.at);
    forge.ack(ADA, n, &line, forge.at + 1);
    let check = Check::new(&forge.run);
    if check.verdict().broken() != [Invariant::V1] {
        return Err(format!("an excuse hid a loss:\n{}", check.verdict()).into());
    }
    Ok(())
}
