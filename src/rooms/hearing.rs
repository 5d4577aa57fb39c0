//! What arrives from other nodes (and from this one, like from all others), and to whom it goes.
use std::sync::Arc;

use super::{Connection, Frame, News, Rooms, hosted::Hosted, typing};
use crate::{
    adapter::{Audience, GapCause, Heard, Hearing, Told, Topic},
    domain::{id::RoomId, presence::Diff},
};

/// What is taken in before anything of it is written.
const AT_ONCE: usize = 128;
/// Between two tries while the store does not answer.
const TRY_AGAIN: std::time::Duration = std::time::Duration::from_millis(250);
/// How long presence changes are gathered before members are told.
const GATHER: std::time::Duration = std::time::Duration::from_millis(100);

impl Rooms {
    /// Runs until the adapter ends. Nothing here waits for the store.
    pub async fn listen(self, mut hearing: Hearing) {
        let everyone = self.0.parts.adapter.listen(Topic::Global).await;
        if let Err(error) = &everyone {
            // The adapter goes on trying by itself.
            tracing::debug!(%error, "not yet listening to what concerns everyone");
        }
        let mut heard = Vec::with_capacity(AT_ONCE);
        while hearing.recv_many(&mut heard, AT_ONCE).await > 0 {
            let mut to_write: Vec<Arc<Hosted>> = Vec::new();
            for heard in heard.drain(..) {
                let written_in = self.take_in(heard);
                to_write.extend(written_in.filter(|h| !to_write.iter().any(|o| Arc::ptr_eq(o, h))));
            }
            for hosted in to_write {
                self.write_soon(&hosted);
            }
        }
    }

    fn take_in(&self, heard: Heard) -> Option<Arc<Hosted>> {
        match heard {
            Heard::Entry(entry) => return self.hear(entry),
            Heard::Told(list) => list.into_iter().for_each(|told| self.dispatch(told)),
            Heard::Act(act) => self.0.parts.heed.heed(&act, self),
            Heard::Presence(room, diff) => self.presence(&room, diff),
            Heard::Gap { rooms, cause } => self.gap(rooms, cause),
        }
        None
    }

    fn dispatch(&self, told: Told) {
        if let (typing::EVENT, Audience::Room(room)) = (told.event.as_str(), &told.to) {
            if let Some(hosted) = self.hosted(room) {
                self.typed(&hosted, &told);
            }
            return;
        }
        let audience = self.audience(&told.to);
        let frame = Frame::with_args(told.event, told.args);
        for connection in audience {
            if told.except.as_ref() != Some(&connection.id) && connection.view().meets(told.view) {
                connection.push(&frame);
            }
        }
    }

    fn audience(&self, to: &Audience) -> Vec<Arc<Connection>> {
        let connections = self.0.connections.read();
        if let Audience::Connection(id) = to {
            return connections.get(id).cloned().into_iter().collect();
        }
        let concerns = |connection: &Connection| match to {
            Audience::Everyone => true,
            Audience::Room(room) => connection.is_in(room),
            Audience::User(user) => connection.user == *user,
            Audience::Group(name) => connection.is_in_group(name),
            Audience::Connection(id) => connection.id == *id,
        };
        connections.values().filter(|connection| concerns(connection)).cloned().collect()
    }

    /// Members are told a little later, together with what else changes meanwhile.
    fn presence(&self, room: &RoomId, diff: Diff) {
        let Some(hosted) = self.hosted(room) else { return };
        hosted.speech().words.told(room, &News::Presence(&diff));
        let waiting = {
            let mut state = hosted.state();
            match &mut state.pending {
                Some(pending) => {
                    merge(pending, diff);
                    true
                }
                none => {
                    *none = Some(diff);
                    false
                }
            }
        };
        if !waiting {
            self.0.parts.lifecycle.spawn_until_stop(async move {
                tokio::time::sleep(GATHER).await;
                Self::tell_presence(&hosted);
            });
        }
    }

    fn tell_presence(hosted: &Hosted) {
        let mut state = hosted.state();
        let Some(diff) = state.pending.take() else { return };
        if !(diff.joined.is_empty() && diff.left.is_empty() && diff.changed.is_empty()) {
            state.members.tell(&News::Presence(&diff), &hosted.speech());
        }
    }

    fn gap(&self, rooms: Option<Vec<RoomId>>, cause: GapCause) {
        if rooms.is_none() {
            self.0.parts.heed.doubt();
        }
        let doubtful: Vec<Arc<Hosted>> = match rooms {
            Some(rooms) => rooms.iter().filter_map(|room| self.hosted(room)).collect(),
            None => self.all_hosted(),
        };
        let name: &'static str = cause.into();
        tracing::info!(cause = name, rooms = doubtful.len(), "something may have been missed");
        let this = self.clone();
        // A doubt is not forgotten because the store cannot answer yet.
        self.0.parts.lifecycle.spawn_until_stop(async move {
            while let Err(error) = this.compare(&doubtful, name).await {
                tracing::debug!(%error, "cannot compare positions yet");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        });
    }
}

/// What came after wins; who left and came back meanwhile was never away.
fn merge(into: &mut Diff, later: Diff) {
    for person in later.joined {
        let before = into.left.len();
        into.left.retain(|p| p.id != person.id);
        if into.left.len() == before {
            into.joined.push(person);
        }
    }
    for person in later.left {
        let before = into.joined.len();
        into.joined.retain(|p| p.id != person.id);
        into.changed.retain(|p| p.id != person.id);
        if into.joined.len() == before {
            into.left.push(person);
        }
    }
    for person in later.changed {
        into.changed.retain(|p| p.id != person.id);
        match into.joined.iter_mut().find(|p| p.id == person.id) {
            Some(joined) => *joined = person,
            None => into.changed.push(person),
        }
    }
    into.count = later.count;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::presence::Person;

    fn person(id: &str) -> Person {
        Person { id: id.parse().unwrap(), name: Some(id.to_owned()), classic: false }
    }

    #[test]
    fn who_leaves_and_comes_back_at_once_was_never_away() {
        let mut diff = Diff { left: vec![person("ada")], count: 1, ..Diff::default() };

        merge(&mut diff, Diff { joined: vec![person("ada")], count: 2, ..Diff::default() });

        assert_eq!(diff, Diff { count: 2, ..Diff::default() });
    }
}
