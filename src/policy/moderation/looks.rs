//! What a node may not have been told: its rooms are looked into now and then, and who is still
//! where an act has sent them out of is sent out.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{super::seats, Moderation};
use crate::{
    domain::{
        id::RoomId,
        moderation::{Act, Deed, Subject},
    },
    error::Result,
    rooms::Rooms,
};

/// How often the store is asked whether everything is known.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(500);
/// Rooms asked about at a time.
const ROOMS_AT_ONCE: usize = 200;
/// The newest acts of one room, or of everywhere, that are searched for kicks nobody heard of, and how
/// many kicks are remembered: of more between two looks, those before stay undone.
const LATEST: usize = 64;

/// When each room was looked into, and what was its version. Bounded by the rooms that are hosted.
struct Looks {
    every: Duration,
    seen: HashMap<RoomId, Seen>,
}

struct Seen {
    /// `None`: it is to be looked into whatever its version.
    at: Option<Instant>,
    version: u64,
}

impl Looks {
    fn new(every: Duration) -> Self {
        Self { every, seen: HashMap::new() }
    }

    /// All are to be looked into again.
    fn doubt(&mut self) {
        self.seen.values_mut().for_each(|seen| seen.at = None);
    }

    /// Those that have not been looked into for a while.
    fn due(&mut self, open: Vec<RoomId>, now: Instant) -> Vec<RoomId> {
        let mut before = std::mem::take(&mut self.seen);
        let (mut due, every) = (Vec::new(), self.every);
        for room in open {
            let seen = before.remove(&room);
            let at = seen.as_ref().and_then(|seen| seen.at);
            if at.is_none_or(|at| now.duration_since(at) >= every) {
                due.push(room.clone());
            }
            self.seen.extend(seen.map(|seen| (room, seen)));
        }
        due
    }

    /// A room was looked into, and was at this version.
    fn has_seen(&mut self, room: &RoomId, version: u64) {
        self.seen.insert(room.clone(), Seen { at: Some(Instant::now()), version });
    }

    /// Whether something was decided since; in a room not looked into before, whether ever.
    fn is_news(&self, room: &RoomId, version: u64) -> bool {
        let seen = self.seen.get(room).filter(|seen| seen.at.is_some());
        seen.map_or(0, |seen| seen.version) != version
    }

    /// How many acts there were since; in a room not looked into before, none that concern who is
    /// there.
    fn since(&self, room: &RoomId, version: u64) -> u64 {
        self.seen.get(room).map_or(0, |seen| version.saturating_sub(seen.version))
    }
}

/// Of each room, and of everywhere, the newest kicks that were done here, so that none is done twice.
#[derive(Default)]
pub(super) struct Kicks(Mutex<HashMap<Option<RoomId>, Done>>);

/// When each was decided, and whom it concerned.
type Done = VecDeque<(u64, Option<Subject>)>;

impl Kicks {
    /// `false`: it was done already.
    pub(super) fn note(&self, act: &Act) -> bool {
        let mut kicks = self.0.lock();
        let done = kicks.entry(act.room.clone()).or_default();
        let this = (act.at, act.subject.clone());
        if done.contains(&this) {
            return false;
        }
        done.push_back(this);
        if done.len() > LATEST {
            done.pop_front();
        }
        true
    }

    /// Those of rooms that are not open here any more.
    fn forget_but(&self, open: &[RoomId]) {
        let mut kicks = self.0.lock();
        if kicks.is_empty() {
            return;
        }
        let open: HashSet<&RoomId> = open.iter().collect();
        kicks.retain(|room, _| room.as_ref().is_none_or(|room| open.contains(room)));
    }
}

impl Moderation {
    /// Keeps what this node knows true, until told to stop. Each room is looked into this often.
    pub async fn watch(self, rooms: Rooms, every: Duration) {
        let mut looks = Looks::new(every);
        loop {
            let in_doubt = tokio::select! {
                () = self.0.doubt.notified() => true,
                () = tokio::time::sleep(ASK_EVERY) => false,
            };
            let done = async {
                if in_doubt || self.has_changed().await? {
                    let before = self.0.everywhere.read().version;
                    let now = self.load().await?;
                    self.apply(&rooms);
                    let new = before.map_or(0, |before| now.saturating_sub(before));
                    self.look_for_kicks(None, new, &rooms).await?;
                }
                if in_doubt {
                    looks.doubt();
                }
                self.look_into_rooms(&rooms, &mut looks).await
            };
            if let Err(error) = done.await {
                tracing::debug!(%error, "cannot compare what moderation has laid down");
                if in_doubt {
                    tokio::time::sleep(ASK_EVERY).await;
                    self.0.doubt.notify_one();
                }
            }
        }
    }

    /// Sends out of each room whom a lost word should have sent out: where anything was decided since
    /// it was looked into.
    async fn look_into_rooms(&self, rooms: &Rooms, looks: &mut Looks) -> Result<()> {
        let open = rooms.open();
        self.0.kicks.forget_but(&open);
        let due = looks.due(open, Instant::now());
        for some in due.chunks(ROOMS_AT_ONCE) {
            let versions = self.0.store.versions(some).await?;
            for (room, version) in some.iter().zip(versions) {
                if looks.is_news(room, version) {
                    self.look_into(room, rooms).await?;
                    let new = looks.since(room, version);
                    self.look_for_kicks(Some(room), new, rooms).await?;
                }
                looks.has_seen(room, version);
            }
        }
        Ok(())
    }

    async fn look_into(&self, room: &RoomId, rooms: &Rooms) -> Result<()> {
        for act in self.0.store.laid(Some(room)).await?.acts {
            if act.deed == Deed::Ban {
                self.send_out(&act, room, rooms);
            }
        }
        if room.is_public() { Ok(()) } else { self.look_for_strangers(room, rooms).await }
    }

    /// Does what was not heard of among the kicks of the newest acts. A kick leaves nothing that
    /// holds, only its record.
    async fn look_for_kicks(&self, room: Option<&RoomId>, new: u64, rooms: &Rooms) -> Result<()> {
        let new = usize::try_from(new).map_or(LATEST, |new| new.min(LATEST));
        if new == 0 {
            return Ok(());
        }
        for act in self.0.store.record(room, new).await?.into_iter().rev() {
            if act.deed == Deed::Kick && self.0.kicks.note(&act) {
                self.kick(&act, rooms);
            }
        }
        Ok(())
    }

    /// Sends out who has no role any more, and notes the roles of the others.
    async fn look_for_strangers(&self, room: &RoomId, rooms: &Rooms) -> Result<()> {
        let here: Vec<_> = rooms.connections().into_iter().filter(|c| c.is_in(room)).collect();
        let users: Vec<_> = here.iter().map(|connection| connection.user.clone()).collect();
        let roles = self.0.roles.roles(room, &users).await?;
        for (connection, role) in here.iter().zip(roles) {
            match role {
                Some(role) => seats::change(connection, room, |seat| seat.role = role),
                None => self.remove(connection, room, (Deed::Uninvite, None), rooms),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::presence::Person;

    fn kick(at: u64, room: Option<&str>) -> Act {
        let by = Person { id: "mod".parse().unwrap(), name: None, classic: false };
        let room = room.map(|room| room.parse().unwrap());
        let subject = Some(Subject::User("troll".parse().unwrap()));
        Act { room, subject, ..Act::new(at, by, Deed::Kick) }
    }

    #[test]
    fn a_kick_is_done_once_in_each_place_and_so_many_are_remembered() {
        let kicks = Kicks::default();
        for room in [None, Some("lobby"), Some("hall")] {
            assert!(kicks.note(&kick(0, room)) && !kicks.note(&kick(0, room)));
        }
        for at in 1..=LATEST as u64 {
            assert!(kicks.note(&kick(at, None)));
        }

        assert!(kicks.note(&kick(0, None)), "one more than are remembered");
        kicks.forget_but(&["hall".parse().unwrap()]);
        assert!(kicks.note(&kick(0, Some("lobby"))) && !kicks.note(&kick(0, Some("hall"))));
    }

    #[test]
    fn acts_are_counted_from_the_first_look_on_and_also_in_doubt() {
        let (mut looks, room) = (Looks::new(Duration::from_secs(30)), "lobby".parse().unwrap());
        assert!(looks.is_news(&room, 5) && looks.since(&room, 5) == 0);

        looks.has_seen(&room, 5);
        assert!(!looks.is_news(&room, 5) && looks.is_news(&room, 7));
        looks.doubt();

        assert!(looks.is_news(&room, 5), "whatever its version");
        assert_eq!((looks.since(&room, 7), looks.since(&room, 3)), (2, 0));
        assert_eq!(looks.due(vec![room.clone()], Instant::now()), [room]);
    }
}
