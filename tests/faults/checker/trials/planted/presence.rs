//! Faults of who is shown: V9.
use super::{
    super::{
        super::{Invariant::V9, Shown},
        world::SECOND,
    },
    Case, case,
    forge::{ADA, BOB, Forge},
    if_it_can,
};
use crate::records::{Event, Name};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a_ghost_in_the_end", &[V9], ghost),
        if_it_can("somebody_not_shown_in_the_end", &[V9], unseen),
        case("a_place_of_which_nobody_knows_the_truth", &[V9], no_truth),
        case("a_ghost_that_was_never_there", &[V9], never_there),
        if_it_can("a_ghost_that_has_left", &[V9], long_gone),
        if_it_can("somebody_who_has_left_a_moment_ago", &[], just_gone),
        case("somebody_there_who_is_not_shown", &[V9], there_and_unseen),
        case("somebody_online_who_is_not_shown", &[V9], online_and_unseen),
    ]
}

fn shown(forge: &mut Forge) -> &mut Shown {
    let room = forge.room;
    let mut all = forge.run.facts.shown.iter_mut();
    all.find(|shown| shown.room == Some(room)).expect("every node is asked")
}

fn ghost(forge: &mut Forge) -> String {
    shown(forge).users.push(Name::new("caspar"));
    "caspar".to_owned()
}

fn unseen(forge: &mut Forge) -> Option<String> {
    Some(shown(forge).users.pop()?.to_string())
}

fn no_truth(forge: &mut Forge) -> String {
    let room = forge.room;
    forge.run.facts.truth.retain(|truth| truth.room != Some(room));
    room.to_string()
}

/// Ada asks who is there.
fn asks(forge: &mut Forge, room: Option<Name>, asked: Vec<Name>, users: Vec<Name>) {
    let asked_at = forge.run.facts.ended - SECOND;
    forge.note(ADA, asked_at + 1_000, Event::Presence { asked_at, room, asked, users });
}

fn all_there(forge: &Forge, room: Option<Name>) -> Vec<Name> {
    let truth = forge.run.facts.truth.iter().find(|truth| truth.room == room);
    truth.map(|truth| truth.users.clone()).unwrap_or_default()
}

fn never_there(forge: &mut Forge) -> String {
    let room = Some(forge.room);
    let mut users = all_there(forge, room);
    users.push(Name::new("caspar"));
    asks(forge, room, Vec::new(), users);
    "caspar is there (hot), never there".to_owned()
}

/// When Bob left the room, whose other device is closed.
fn left_at(forge: &Forge) -> Option<u64> {
    let mut records = forge.run.clients[BOB].records.iter();
    records.find(|record| matches!(record.event, Event::Left { .. })).map(|record| record.at)
}

/// Bob is shown, though he left; and for how long that may be is `within`.
fn shown_though_gone(forge: &mut Forge, within: u64) -> String {
    forge.run.facts.permissions.ghost_within = within;
    let (room, user) = (Some(forge.room), forge.user(BOB));
    let mut users = all_there(forge, room);
    users.push(user);
    asks(forge, room, Vec::new(), users);
    format!("{user} is there")
}

fn long_gone(forge: &mut Forge) -> Option<String> {
    let gone_for = forge.run.facts.ended - SECOND - left_at(forge)?;
    Some(shown_though_gone(forge, gone_for - 1))
}

fn just_gone(forge: &mut Forge) -> Option<String> {
    let gone_for = forge.run.facts.ended - SECOND - left_at(forge)?;
    Some(shown_though_gone(forge, gone_for))
}

fn there_and_unseen(forge: &mut Forge) -> String {
    forge.run.facts.permissions.shown_within = 8 * SECOND;
    let room = Some(forge.room);
    let user = forge.user(ADA);
    let mut users = all_there(forge, room);
    users.retain(|other| *other != user);
    asks(forge, room, Vec::new(), users);
    format!("{user} is not there")
}

fn online_and_unseen(forge: &mut Forge) -> String {
    forge.run.facts.permissions.shown_within = 8 * SECOND;
    let user = forge.user(ADA);
    asks(forge, None, vec![user], Vec::new());
    format!("{user} is not there (online)")
}
