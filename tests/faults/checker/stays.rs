//! When each user was connected, and in which room: stretches of time, from what their clients wrote.
use std::collections::HashMap;

use super::index::Index;
use crate::records::{Event, Micros, Name};

/// A room, or online (`None`), and a user.
type Place = (Option<Name>, Name);

pub(super) struct Stays {
    /// Each from its begin to its end, in order of begin; `Micros::MAX`: to the end of the run.
    of: HashMap<Place, Vec<(Micros, Micros)>>,
    users: HashMap<Option<Name>, Vec<Name>>,
    /// Until when each may have been there, as far as is known: also by a join without an answer.
    latest: HashMap<Place, Micros>,
}

impl Stays {
    pub(super) fn new(index: &Index<'_>) -> Self {
        let mut of: HashMap<Place, Vec<(Micros, Micros)>> = HashMap::new();
        let mut latest: HashMap<Place, Micros> = HashMap::new();
        for client in 0..index.run.clients.len() {
            // What is open, and since when; `None`: asked for, and not answered yet.
            let mut open: Vec<(Place, Option<Micros>)> = Vec::new();
            let mut me = None;
            let mut close = |open: &mut Vec<(Place, Option<Micros>)>, at, room: Option<Name>| {
                let ends = |place: &Place| room.is_none() || place.0 == room;
                for (place, from) in open.extract_if(.., |(place, _)| ends(place)) {
                    let known = latest.entry(place).or_insert(at);
                    *known = at.max(*known);
                    if let Some(from) = from {
                        of.entry(place).or_default().push((from, at));
                    }
                }
            };
            for record in index.records(client) {
                match &record.event {
                    Event::Connected { user, .. } => {
                        me = Some(*user);
                        open.push(((None, *user), Some(record.at)));
                    }
                    Event::Joining { room, .. } => {
                        open.extend(me.map(|me| ((Some(*room), me), None)));
                    }
                    Event::Joined { page, .. } => {
                        open.extend(me.map(|me| ((Some(page.room), me), Some(record.at))));
                    }
                    Event::Left { room } => close(&mut open, record.at, Some(*room)),
                    Event::Disconnected { .. } | Event::Closed => {
                        close(&mut open, record.at, None);
                    }
                    _ => {}
                }
            }
            close(&mut open, Micros::MAX, None);
        }
        let mut users: HashMap<Option<Name>, Vec<Name>> = HashMap::new();
        for ((room, user), stays) in &mut of {
            stays.sort_unstable();
            users.entry(*room).or_default().push(*user);
        }
        for users in users.values_mut() {
            users.sort_unstable();
        }
        Self { of, users, latest }
    }

    /// All who were ever there.
    pub(super) fn users(&self, room: Option<Name>) -> &[Name] {
        self.users.get(&room).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether somebody was there from `from` to `to`, but for moments shorter than `grace`.
    pub(super) fn stayed(&self, place: Place, (from, to): (Micros, Micros), grace: Micros) -> bool {
        let stays = self.of.get(&place).map(Vec::as_slice).unwrap_or_default();
        let mut until = None;
        for (begin, end) in stays {
            match until {
                None if *begin <= from && from <= *end => until = Some(*end),
                Some(so_far) if *begin < so_far.saturating_add(grace) => {
                    until = Some(so_far.max(*end));
                }
                _ => {}
            }
            if until.is_some_and(|until| until >= to) {
                return true;
            }
        }
        false
    }

    /// Until when somebody may have been there; `None`: never was.
    pub(super) fn latest(&self, place: Place) -> Option<Micros> {
        self.latest.get(&place).copied()
    }
}
