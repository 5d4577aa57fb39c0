//! Who is in which place, in memory.
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::EmbeddedStore;
use crate::{
    adapter::local::LocalAdapter,
    domain::{
        id::{ConnectionId, NodeId, UserId},
        presence::{Diff, Member, Person},
        room::Place,
    },
    error::Result,
    store::members::{Lease, Members, People},
};

/// All places of this one node.
pub(super) struct Presence {
    node: NodeId,
    grace: Duration,
    adapter: Arc<LocalAdapter>,
    places: Mutex<HashMap<Place, Crowd>>,
}

/// Who is in one place. A place that is empty is forgotten.
#[derive(Default)]
struct Crowd {
    users: BTreeMap<UserId, User>,
    /// How many connections have ever come.
    arrivals: u64,
}

struct User {
    /// As others see them: as whichever connection entered last.
    person: Person,
    connections: HashMap<ConnectionId, Held>,
    /// Its last connection left, and this is when others hear of it.
    leaving: Option<Instant>,
}

/// What is known of a connection.
struct Held {
    arrival: u64,
    /// A tutorial socket's, once it has one.
    classic_name: Option<String>,
}

impl Presence {
    pub(super) fn new(node: NodeId, grace: Duration, adapter: Arc<LocalAdapter>) -> Self {
        Self { node, grace, adapter, places: Mutex::default() }
    }

    /// Changes a place and tells its room the difference, in one step.
    fn change(&self, place: &Place, change: impl FnOnce(&mut Crowd, &mut Diff)) -> Diff {
        let mut places = self.places.lock();
        let crowd = places.entry(place.clone()).or_default();
        let mut diff = Diff::default();
        change(crowd, &mut diff);
        diff.count = crowd.users.len() as u64;
        if crowd.users.is_empty() {
            places.remove(place);
        }
        let Diff { joined, left, changed, classic, .. } = &diff;
        let is_empty = joined.is_empty() && left.is_empty() && changed.is_empty() && !classic;
        if let (Place::Room(room), false) = (place, is_empty) {
            self.adapter.publish_presence(room, diff.clone());
        }
        diff
    }

    fn look<T: Default>(&self, place: &Place, look: impl FnOnce(&Crowd) -> T) -> T {
        self.places.lock().get(place).map(look).unwrap_or_default()
    }
}

impl Crowd {
    fn enter(&mut self, member: &Member, diff: &mut Diff) {
        let person = Person::from(member);
        let user = self.users.entry(member.user.clone()).or_insert_with(|| {
            diff.joined.push(person.clone());
            User { person: person.clone(), connections: HashMap::new(), leaving: None }
        });
        user.leaving = None;
        if user.person != person {
            user.person = person.clone();
            diff.changed.push(person);
        }
        let arrivals = &mut self.arrivals;
        let held = user.connections.entry(member.connection.clone()).or_insert_with(|| {
            *arrivals += 1;
            Held { arrival: *arrivals, classic_name: None }
        });
        let classic_name = member.name.clone().filter(|_| member.classic);
        diff.classic |= held.classic_name != classic_name;
        held.classic_name = classic_name;
    }

    /// Takes a connection out. `until`: the user's grace, if this was its last one; without, a
    /// grace that has begun is over too.
    fn leave(
        &mut self,
        (id, connection): (&UserId, &ConnectionId),
        until: Option<Instant>,
        diff: &mut Diff,
    ) {
        let Some(user) = self.users.get_mut(id) else { return };
        let held = user.connections.remove(connection);
        diff.classic |= held.is_some_and(|held| held.classic_name.is_some());
        if user.connections.is_empty() {
            // Leaving twice does not make the grace longer.
            user.leaving = until.map(|until| user.leaving.unwrap_or(until));
            if user.leaving.is_none() {
                diff.left.extend(self.users.remove(id).map(|user| user.person));
            }
        }
    }

    fn sweep(&mut self, now: Instant, diff: &mut Diff) {
        let is_over = |user: &User| user.leaving.is_some_and(|until| until <= now);
        self.users.retain(|_, user| {
            let goes = is_over(user);
            if goes {
                diff.left.push(user.person.clone());
            }
            !goes
        });
    }

    /// Those who should be here enter before the others leave: who only changed the connection
    /// neither comes nor goes.
    fn assert(&mut self, members: &[Member], diff: &mut Diff) {
        for member in members {
            self.enter(member, diff);
        }
        let kept: HashSet<_> = members.iter().map(|m| (&m.user, &m.connection)).collect();
        let held = self.users.iter().flat_map(|(id, user)| {
            user.connections.keys().map(move |connection| (id.clone(), connection.clone()))
        });
        let gone: Vec<_> = held.filter(|(id, conn)| !kept.contains(&(id, conn))).collect();
        for (id, connection) in &gone {
            self.leave((id, connection), None, diff);
        }
    }

    fn people(&self, cursor: Option<&UserId>, limit: usize) -> People {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.users.range::<UserId, _>((from, Bound::Unbounded));
        let people: Vec<Person> =
            rest.by_ref().take(limit.max(1)).map(|(_, user)| user.person.clone()).collect();
        let is_more = rest.next().is_some();
        let cursor = people.last().filter(|_| is_more).map(|person| person.id.to_string());
        People { people, cursor, count: self.users.len() as u64 }
    }

    fn classic(&self, limit: usize) -> Vec<(ConnectionId, String)> {
        let connections = self.users.values().flat_map(|user| &user.connections);
        let mut held: Vec<(&ConnectionId, &Held)> = connections.collect();
        held.sort_by_key(|(_, held)| held.arrival);
        let named =
            |(id, held): (&ConnectionId, &Held)| Some((id.clone(), held.classic_name.clone()?));
        held.into_iter().filter_map(named).take(limit).collect()
    }
}

#[async_trait]
impl Members for EmbeddedStore {
    async fn enter(&self, place: &Place, member: &Member) -> Result<Diff> {
        Ok(self.presence.change(place, |crowd, diff| crowd.enter(member, diff)))
    }

    async fn leave(&self, place: &Place, member: &Member, grace: bool) -> Result<Diff> {
        let grace = Some(self.presence.grace).filter(|time| grace && !time.is_zero());
        let until = grace.map(|time| Instant::now() + time);
        let who = (&member.user, &member.connection);
        Ok(self.presence.change(place, |crowd, diff| crowd.leave(who, until, diff)))
    }

    async fn sweep(&self, place: &Place) -> Result<Diff> {
        Ok(self.presence.change(place, |crowd, diff| crowd.sweep(Instant::now(), diff)))
    }

    async fn assert(&self, place: &Place, members: &[Member]) -> Result<Diff> {
        Ok(self.presence.change(place, |crowd, diff| crowd.assert(members, diff)))
    }

    async fn people(&self, place: &Place, cursor: Option<&str>, limit: usize) -> Result<People> {
        // A cursor that is no user id comes from no page of ours: begin again.
        let cursor: Option<UserId> = cursor.and_then(|id| id.parse().ok());
        Ok(self.presence.look(place, |crowd| crowd.people(cursor.as_ref(), limit)))
    }

    async fn present(&self, place: &Place, users: &[UserId]) -> Result<Vec<bool>> {
        let places = self.presence.places.lock();
        let crowd = places.get(place);
        let is_here = |id| crowd.is_some_and(|crowd| crowd.users.contains_key(id));
        Ok(users.iter().map(is_here).collect())
    }

    async fn classic(&self, place: &Place, limit: usize) -> Result<Vec<(ConnectionId, String)>> {
        Ok(self.presence.look(place, |crowd| crowd.classic(limit)))
    }

    async fn connections(
        &self,
        place: &Place,
        user: &UserId,
    ) -> Result<Vec<(NodeId, ConnectionId)>> {
        let node = &self.presence.node;
        Ok(self.presence.look(place, |crowd| {
            let user = crowd.users.get(user);
            let connections = user.into_iter().flat_map(|user| user.connections.keys());
            connections.map(|connection| (node.clone(), connection.clone())).collect()
        }))
    }

    /// Nobody else could declare this node dead.
    async fn renew(&self) -> Result<Lease> {
        Ok(Lease::Held)
    }

    /// No other node could have died.
    async fn reap(&self) -> Result<Option<NodeId>> {
        Ok(None)
    }

    /// Tells nobody: there is no other node, and this one is ending.
    async fn retire(&self) -> Result<()> {
        self.presence.places.lock().clear();
        Ok(())
    }
}
