//! V9: who is shown online, or in a room, is; in the end exactly, and during the run within bounds.
use std::collections::{BTreeSet, HashMap};

use super::{
    Invariant, Permissions, Shown, Target,
    disturbed::{How, Window, windows},
    index::{Index, seconds},
    stays::Stays,
    verdict::Judgement,
};
use crate::records::{Event, Micros, Name};

/// Of a set of users that is wrong, so many are named.
const NAMED: usize = 5;

pub(super) fn shown_is_true(index: &Index<'_>) -> Judgement {
    let mut judgement = Judgement::new(Invariant::V9, &index.run.facts.permissions);
    at_the_end(index, &mut judgement);
    let watch = Watch {
        permissions: &index.run.facts.permissions,
        windows: windows(&index.run.facts.faults),
        stays: Stays::new(index),
        index,
    };
    watch.all(&mut judgement);
    judgement
}

/// Every node's last word on every place is the truth.
fn at_the_end(index: &Index<'_>, judgement: &mut Judgement) {
    let facts = &index.run.facts;
    let mut last: HashMap<(Name, Option<Name>), &Shown> = HashMap::new();
    for shown in &facts.shown {
        let known = last.entry((shown.node, shown.room)).or_insert(shown);
        if shown.at >= known.at {
            *known = shown;
        }
    }
    let mut last: Vec<&Shown> = last.into_values().collect();
    last.sort_by_key(|shown| (shown.room, shown.node));
    for shown in last {
        let place = shown.room.map_or("online", Name::as_str);
        let at = seconds(shown.at);
        let Some(truth) = facts.truth.iter().find(|truth| truth.room == shown.room) else {
            let node = shown.node;
            judgement
                .broken(|| format!("nobody said who is truly {place}, which {node} was asked"));
            continue;
        };
        judgement.examine(truth.users.len().max(1));
        let is: BTreeSet<Name> = truth.users.iter().copied().collect();
        let seen: BTreeSet<Name> = shown.users.iter().copied().collect();
        let sets = [("shows ghosts", &seen, &is), ("does not show", &is, &seen)];
        for (how, some, other) in sets {
            let wrong: Vec<&str> = some.difference(other).map(|user| user.as_str()).collect();
            if !wrong.is_empty() {
                let (count, few) = (wrong.len(), wrong.iter().take(NAMED));
                let few = few.copied().collect::<Vec<_>>().join(", ");
                let node = shown.node;
                judgement.broken(|| format!("{node}, {place}, at {at} {how}: {count}, as {few}"));
            }
        }
    }
}

/// The answers that clients got during the run.
struct Watch<'a> {
    index: &'a Index<'a>,
    permissions: &'a Permissions,
    windows: Vec<Window>,
    stays: Stays,
}

/// One of them.
struct Look<'a> {
    client: usize,
    node: Name,
    asked_at: Micros,
    at: Micros,
    room: Option<Name>,
    /// Empty: all.
    asked: &'a [Name],
    users: &'a [Name],
}

impl Watch<'_> {
    fn all(&self, judgement: &mut Judgement) {
        for client in 0..self.index.run.clients.len() {
            let mut node = None;
            for record in self.index.records(client) {
                match &record.event {
                    Event::Connected { node: here, .. } => node = Some(*here),
                    Event::Disconnected { .. } => node = None,
                    Event::Presence { asked_at, room, asked, users } => {
                        let (Some(node), asked_at, at) = (node, *asked_at, record.at) else {
                            continue;
                        };
                        let room = *room;
                        let look = Look { client, node, asked_at, at, room, asked, users };
                        self.one(&look, judgement);
                    }
                    _ => {}
                }
            }
        }
    }

    fn one(&self, look: &Look<'_>, judgement: &mut Judgement) {
        let Permissions { ghost_within, shown_within, grace, .. } = *self.permissions;
        if !self.is_store_out(look, ghost_within) {
            let since = look.asked_at.saturating_sub(ghost_within);
            for user in look.users {
                judgement.examine(1);
                // Who comes back later may be half there already, and is not judged.
                if self.stays.latest((look.room, *user)).is_none_or(|latest| latest < since) {
                    judgement.broken(|| self.ghost(look, *user));
                }
            }
        }
        let Some(since) = look.asked_at.checked_sub(shown_within) else { return };
        if self.is_store_out(look, shown_within) {
            return;
        }
        let shown: BTreeSet<Name> = look.users.iter().copied().collect();
        let all = if look.room.is_some() { self.stays.users(look.room) } else { look.asked };
        for user in all {
            if self.stays.stayed((look.room, *user), (since, look.at), grace) {
                judgement.examine(1);
                if !shown.contains(user) && !self.is_disturbed(*user, since, look.at) {
                    judgement.broken(|| self.unseen(look, *user));
                }
            }
        }
    }

    /// Whether the node that answered may not have known, for as long as it may take to learn it.
    fn is_store_out(&self, look: &Look<'_>, bound: Micros) -> bool {
        let from = look.asked_at.saturating_sub(bound);
        self.windows.iter().any(|window| {
            let concerns = match window.target {
                Target::Store => true,
                // What another node could not write, this one could not read.
                Target::StorePath(_) => window.how == How::Broken,
                Target::Node(node) => node == look.node && window.how == How::Stopped,
                _ => false,
            };
            concerns && window.touches(from, look.at)
        })
    }

    /// Whether a user may have been taken for gone without noticing.
    fn is_disturbed(&self, user: Name, from: Micros, to: Micros) -> bool {
        let sessions = self.index.sessions.iter();
        let mut own = sessions.filter(|session| {
            session.user == user && session.from <= to && session.to.is_none_or(|end| end >= from)
        });
        own.any(|session| {
            let client = self.index.name(session.client);
            self.windows.iter().any(|window| {
                let concerns = match window.target {
                    Target::Node(node) => node == session.node && window.how != How::Down,
                    Target::NodePath(node) => node == session.node,
                    Target::Client(other) | Target::ClientPath(other) => other == client,
                    Target::Store | Target::StorePath(_) => false,
                };
                concerns && window.touches(from, to)
            })
        })
    }

    fn ghost(&self, look: &Look<'_>, user: Name) -> String {
        let place = look.room.map_or("online", Name::as_str);
        let gone = match self.stays.latest((look.room, user)) {
            Some(at) => format!("gone since {}", seconds(at)),
            None => "never there".to_owned(),
        };
        format!(
            "{} was told by {} at {} that {user} is there ({place}), {gone}",
            self.index.name(look.client),
            look.node,
            seconds(look.at),
        )
    }

    fn unseen(&self, look: &Look<'_>, user: Name) -> String {
        let place = look.room.map_or("online", Name::as_str);
        format!(
            "{} was told by {} at {} that {user} is not there ({place}), who had been all the time",
            self.index.name(look.client),
            look.node,
            seconds(look.at),
        )
    }
}
