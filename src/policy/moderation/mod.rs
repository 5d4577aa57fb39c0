//! Who is banned, silenced or no longer vouched for: what holds everywhere is known to every node,
//! what holds in a room is asked of the store, which also sees to it in the append itself.
//!
//! Acts are told by the adapter, which may lose them; so each node asks the store every second
//! whether it still knows everything, and now and then whether anything was decided in its rooms.
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;

use super::looks::Looks;
use crate::{
    clock,
    domain::{
        id::RoomId,
        moderation::{Act, Deed, Measure, Subject},
        room::{Place, RoomRole, Seat},
        view::View,
    },
    error::{Error, Result},
    lifecycle::Lifecycle,
    rooms::{CloseReason, Connection, Frame, Heed, Rooms, Standing, presence::Presence},
    store,
};

/// How often the store is asked whether everything is known.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Rooms asked about at a time.
const ROOMS_AT_ONCE: usize = 200;

/// Sent out of a room; nothing of it is heard any more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomRemoved<'a> {
    pub room: &'a RoomId,
    /// `kick`, after which one may come back at once, `ban`, or `uninvite`: it is not one's room any
    /// more.
    pub reason: Deed,
    /// Until when one may not come back, ms since 1970. Absent: for ever, or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl RoomRemoved<'_> {
    pub const NAME: &'static str = "room:removed";
}

/// How somebody comes into a room.
#[derive(Debug)]
pub struct Entry {
    pub seat: Seat,
    /// They may not speak there.
    pub mute: Option<Act>,
    /// Somebody has a role there.
    pub is_founded: bool,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Moderation(Arc<Inner>);

struct Inner {
    store: Arc<dyn store::moderation::Moderation>,
    roles: Arc<dyn store::roles::Roles>,
    presence: Presence,
    lifecycle: Lifecycle,
    everywhere: RwLock<Everywhere>,
    doubt: Notify,
}

/// What holds everywhere. At most [`store::moderation::MOST_MEASURES`].
#[derive(Default)]
struct Everywhere {
    version: Option<u64>,
    acts: HashMap<(Measure, Subject), Act>,
}

impl Everywhere {
    fn against(&self, measure: Measure, known_as: &[Subject], now: u64) -> Option<&Act> {
        if self.acts.is_empty() {
            return None;
        }
        let acts = known_as.iter().filter_map(|s| self.acts.get(&(measure, s.clone())));
        acts.filter(|act| act.is_in_force(now)).max_by_key(|act| act.until.unwrap_or(u64::MAX))
    }

    /// Why this connection may not stay.
    fn sends_away(&self, standing: &Standing, now: u64) -> Option<(CloseReason, Error)> {
        let known_as = standing.known_as();
        if let Some(act) = self.against(Measure::Revoke, &known_as, now)
            && withdraws(act, standing)
        {
            let says = "what vouched for you was withdrawn; come with something new";
            return Some((CloseReason::Revoked, Error::Unauthorized(says)));
        }
        if standing.role().moderates() {
            return None;
        }
        let act = self.against(Measure::Ban, &known_as, now)?;
        Some((CloseReason::Banned, Error::Banned { retry_after_ms: act.left(now) }))
    }

    /// Mutes it, or lets it speak.
    fn silence(&self, standing: &Standing, now: u64) {
        match self.against(Measure::Mute, &standing.held_by(), now) {
            Some(act) => standing.mute(act.until),
            None => standing.unmute(),
        }
    }
}

/// A user's revocation withdraws what was given until then.
fn withdraws(act: &Act, standing: &Standing) -> bool {
    !matches!(act.subject, Some(Subject::User(_))) || standing.issued_at() <= act.at
}

impl Moderation {
    pub fn new(
        (store, roles): (Arc<dyn store::moderation::Moderation>, Arc<dyn store::roles::Roles>),
        presence: Presence,
        lifecycle: Lifecycle,
    ) -> Self {
        let (everywhere, doubt) = (RwLock::default(), Notify::new());
        Self(Arc::new(Inner { store, roles, presence, lifecycle, everywhere, doubt }))
    }

    /// Whether everything was known once.
    pub fn is_ready(&self) -> bool {
        self.0.everywhere.read().version.is_some()
    }

    /// Asks for everything, for as long as it takes.
    pub async fn get_ready(&self) {
        while let Err(error) = self.load().await {
            tracing::debug!(%error, "what moderation has laid down is not to be had yet");
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Whether somebody may come in. Asked again once the connection is in the registry, so that
    /// an act meanwhile finds it either there or here.
    pub fn may_stay(&self, standing: &Standing) -> Result<()> {
        let everywhere = self.0.everywhere.read();
        let now = clock::now_ms();
        everywhere.silence(standing, now);
        everywhere.sends_away(standing, now).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Whether a name may be borne and spoken under, whoever does it.
    pub fn may_be_called(&self, name: Subject) -> Result<()> {
        let (everywhere, now) = (self.0.everywhere.read(), clock::now_ms());
        let name = [name];
        if let Some(act) = everywhere.against(Measure::Ban, &name, now) {
            return Err(Error::Banned { retry_after_ms: act.left(now) });
        }
        match everywhere.against(Measure::Mute, &name, now) {
            Some(act) => Err(Error::Muted { retry_after_ms: act.left(now) }),
            None => Ok(()),
        }
    }

    /// Whether a connection may come into a room; if so, as what. A room that is not theirs is none.
    pub async fn may_enter(&self, room: &RoomId, standing: &Standing) -> Result<Entry> {
        let held = self.0.store.held(room, standing.user(), &standing.held_by()).await?;
        let role = match held.role {
            Some(role) => role,
            None if !room.is_public() => return Err(Error::NotFound),
            None if standing.role().moderates() => RoomRole::Moderator,
            None => RoomRole::Guest,
        };
        let (ban, mute) = if role.moderates() { (None, None) } else { (held.ban, held.mute) };
        if let Some(act) = ban {
            return Err(Error::Banned { retry_after_ms: act.left(clock::now_ms()) });
        }
        let seat = Seat { role, announce: held.announce };
        Ok(Entry { seat, mute, is_founded: held.is_founded })
    }

    pub async fn decide(&self, act: &Act) -> Result<()> {
        self.0.store.decide(act).await
    }

    /// What holds in a room, or everywhere.
    pub async fn laid(&self, room: Option<&RoomId>) -> Result<Vec<Act>> {
        Ok(self.0.store.laid(room).await?.acts)
    }

    pub async fn record(&self, room: Option<&RoomId>, limit: usize) -> Result<Vec<Act>> {
        self.0.store.record(room, limit).await
    }

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
                    self.load().await?;
                    self.apply(&rooms);
                }
                if in_doubt {
                    looks.forget();
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

    async fn has_changed(&self) -> Result<bool> {
        let version = self.0.store.version().await?;
        Ok(self.0.everywhere.read().version != Some(version))
    }

    async fn load(&self) -> Result<()> {
        let laid = self.0.store.laid(None).await?;
        let acts = laid.acts.into_iter().filter_map(|act| {
            let measure = act.deed.begins()?;
            Some(((measure, act.subject.clone()?), act))
        });
        *self.0.everywhere.write() =
            Everywhere { version: Some(laid.version), acts: acts.collect() };
        Ok(())
    }

    /// Holds what is known against everybody who is here.
    fn apply(&self, rooms: &Rooms) {
        let (everywhere, now) = (self.0.everywhere.read(), clock::now_ms());
        for connection in rooms.connections() {
            let standing = &connection.standing;
            everywhere.silence(standing, now);
            if let Some((reason, _)) = everywhere.sends_away(standing, now) {
                connection.close(reason);
            }
        }
    }

    /// Sends out of each room whom a lost word should have sent out: where anything was decided since
    /// it was looked into.
    async fn look_into_rooms(&self, rooms: &Rooms, looks: &mut Looks) -> Result<()> {
        let due = looks.due(rooms.open(), Instant::now());
        for some in due.chunks(ROOMS_AT_ONCE) {
            let versions = self.0.store.versions(some).await?;
            for (room, version) in some.iter().zip(versions) {
                if looks.is_news(room, version) {
                    self.look_into(room, rooms).await?;
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

    /// Sends out who has no role any more, and notes the roles of the others.
    async fn look_for_strangers(&self, room: &RoomId, rooms: &Rooms) -> Result<()> {
        let here: Vec<_> = rooms.connections().into_iter().filter(|c| c.is_in(room)).collect();
        let users: Vec<_> = here.iter().map(|connection| connection.user.clone()).collect();
        let roles = self.0.roles.roles(room, &users).await?;
        for (connection, role) in here.iter().zip(roles) {
            match role {
                Some(role) => connection.change_seat(room, |seat| seat.role = role),
                None => self.remove(connection, room, (Deed::Uninvite, None), rooms),
            }
        }
        Ok(())
    }

    fn send_out(&self, act: &Act, room: &RoomId, rooms: &Rooms) {
        for connection in rooms.connections() {
            let keeps_order = || connection.seat(room).is_some_and(|seat| seat.role.moderates());
            if connection.is_in(room) && concerns(act, &connection) && !keeps_order() {
                self.remove(&connection, room, (act.deed, act.until), rooms);
            }
        }
    }

    /// Takes a connection out of a room, and says why.
    fn remove(
        &self,
        connection: &Arc<Connection>,
        room: &RoomId,
        (reason, until): (Deed, Option<u64>),
        rooms: &Rooms,
    ) {
        if !connection.view().meets(View::NATIVE) {
            // A tutorial's page is in its room for as long as it is connected.
            return connection.close(reason_of(reason));
        }
        rooms.leave(connection, room);
        let removed = RoomRemoved { room, reason, until };
        connection.push(&Frame::new(RoomRemoved::NAME, &removed));
        let (presence, place) = (self.0.presence.clone(), Place::Room(room.clone()));
        let id = connection.id.clone();
        self.0.lifecycle.spawn(async move {
            presence.leave(&place, &id, false).await;
        });
    }

    /// Somebody's role in a room, or the room itself, is another from now on.
    fn heed_change(&self, act: &Act, room: &RoomId, rooms: &Rooms) {
        for connection in rooms.connections() {
            if !connection.is_in(room) {
                continue;
            }
            if let Some(announce) = act.announce {
                connection.change_seat(room, |seat| seat.announce = announce);
            }
            if act.user() != Some(&connection.user) {
                // Who hands a room on keeps order in it.
                if act.role == Some(RoomRole::Owner) && act.by.id == connection.user {
                    connection.change_seat(room, |seat| seat.role = RoomRole::Moderator);
                }
            } else if let Some(role) = act.role {
                connection.change_seat(room, |seat| seat.role = role);
            } else if act.deed == Deed::Uninvite && room.is_public() {
                connection.change_seat(room, |seat| seat.role = RoomRole::Guest);
            } else if act.deed == Deed::Uninvite {
                self.remove(&connection, room, (act.deed, None), rooms);
            }
        }
    }
}

/// Whether it means whoever is behind this connection, and holds against them.
fn concerns(act: &Act, connection: &Connection) -> bool {
    let Some(subject) = &act.subject else { return false };
    connection.standing.held_by().contains(subject)
}

fn reason_of(deed: Deed) -> CloseReason {
    if deed == Deed::Kick { CloseReason::Kicked } else { CloseReason::Banned }
}

impl Heed for Moderation {
    fn heed(&self, act: &Act, rooms: &Rooms) {
        if let Some(room) = &act.room {
            match act.deed {
                Deed::Ban | Deed::Kick => self.send_out(act, room, rooms),
                Deed::Invite | Deed::Uninvite | Deed::Announce => {
                    self.heed_change(act, room, rooms);
                }
                _ => {}
            }
            return;
        }
        if let Some(subject) = &act.subject {
            let acts = &mut self.0.everywhere.write().acts;
            if let Some(measure) = act.deed.begins() {
                acts.insert((measure, subject.clone()), act.clone());
            } else if let Some(measure) = act.deed.lifts() {
                acts.remove(&(measure, subject.clone()));
            }
        }
        if act.deed == Deed::Kick {
            for connection in rooms.connections() {
                if concerns(act, &connection) {
                    connection.close(CloseReason::Kicked);
                }
            }
        } else {
            self.apply(rooms);
        }
    }

    fn doubt(&self) {
        self.0.doubt.notify_one();
    }
}
