//! Who is banned, silenced or no longer vouched for: what holds everywhere is known to every node,
//! what holds in a room is asked of the store, which also sees to it in the append itself.
//!
//! Acts are told by the adapter, which may lose them; so each node asks the store every second
//! whether it still knows everything, and now and then whether anything was decided in its rooms.
mod looks;

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;

use self::looks::Kicks;
use super::seats::{self, concerns};
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
    kicks: Kicks,
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
        let (everywhere, doubt, kicks) = (RwLock::default(), Notify::new(), Kicks::default());
        Self(Arc::new(Inner { store, roles, presence, lifecycle, everywhere, doubt, kicks }))
    }

    /// Whether everything was known once.
    pub fn is_ready(&self) -> bool {
        self.0.everywhere.read().version.is_some()
    }

    /// Asks for everything, for as long as it takes.
    pub async fn get_ready(&self) {
        while let Err(error) = self.load().await {
            tracing::debug!(%error, "what moderation has laid down is not to be had yet");
            tokio::time::sleep(looks::ASK_EVERY).await;
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

    async fn has_changed(&self) -> Result<bool> {
        let version = self.0.store.version().await?;
        Ok(self.0.everywhere.read().version != Some(version))
    }

    /// Learns what holds everywhere; its version.
    async fn load(&self) -> Result<u64> {
        let laid = self.0.store.laid(None).await?;
        let acts = laid.acts.into_iter().filter_map(|act| {
            let measure = act.deed.begins()?;
            Some(((measure, act.subject.clone()?), act))
        });
        *self.0.everywhere.write() =
            Everywhere { version: Some(laid.version), acts: acts.collect() };
        Ok(laid.version)
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

    /// Sends somebody out of a room, or away; they may come back.
    fn kick(&self, act: &Act, rooms: &Rooms) {
        if let Some(room) = &act.room {
            return self.send_out(act, room, rooms);
        }
        for connection in rooms.connections() {
            if concerns(act, &connection) {
                connection.close(CloseReason::Kicked);
            }
        }
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
                seats::change(&connection, room, |seat| seat.announce = announce);
            }
            if act.user() != Some(&connection.user) {
                // Who hands a room on keeps order in it.
                if act.role == Some(RoomRole::Owner) && act.by.id == connection.user {
                    seats::change(&connection, room, |seat| seat.role = RoomRole::Moderator);
                }
            } else if let Some(role) = act.role {
                seats::change(&connection, room, |seat| seat.role = role);
            } else if act.deed == Deed::Uninvite && room.is_public() {
                seats::change(&connection, room, |seat| seat.role = RoomRole::Guest);
            } else if act.deed == Deed::Uninvite {
                self.remove(&connection, room, (act.deed, None), rooms);
            }
        }
    }
}

fn reason_of(deed: Deed) -> CloseReason {
    if deed == Deed::Kick { CloseReason::Kicked } else { CloseReason::Banned }
}

impl Heed for Moderation {
    fn heed(&self, act: &Act, rooms: &Rooms) {
        if act.deed == Deed::Kick {
            self.0.kicks.note(act);
            return self.kick(act, rooms);
        }
        if let Some(room) = &act.room {
            match act.deed {
                Deed::Ban => self.send_out(act, room, rooms),
                Deed::Invite | Deed::Uninvite | Deed::Announce => {
                    self.heed_change(act, room, rooms);
                }
                Deed::Mute | Deed::Unmute => seats::heed_mute(act, room, rooms),
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
        self.apply(rooms);
    }

    fn doubt(&self) {
        self.0.doubt.notify_one();
    }
}
