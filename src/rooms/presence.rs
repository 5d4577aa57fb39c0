//! Presence of this node's connections: what it has, the lease under which the store holds it,
//! cleaning up after dead nodes, and making the store right again when it is not.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{join_all, try_join_all};
use parking_lot::Mutex;
use tokio::sync::{Notify, RwLock};

use crate::{
    clock,
    config::presence::Presence as PresenceConfig,
    domain::{
        id::{ConnectionId, UserId},
        presence::{Diff, Member},
        room::Place,
    },
    error::{Error, Result},
    lifecycle::Lifecycle,
    store::members::{Lease, Members, People},
    telemetry::metrics::Metrics,
};

/// Places looked at for ended graces in one breath, at most; the round over all takes so many steps.
const AT_ONCE: usize = 64;
const STEPS: usize = 3;
/// Places compared in one breath, while which nobody enters or leaves.
const COMPARED_AT_ONCE: usize = 16;

/// Cheap to clone.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    members: Arc<dyn Members>,
    config: PresenceConfig,
    metrics: Metrics,
    /// The truth about this node's connections; the store is made to match it.
    here: Mutex<HashMap<Place, HashMap<ConnectionId, Member>>>,
    /// Places where somebody left with grace: when the first and when the last grace ends.
    leaving: Mutex<HashMap<Place, (Instant, Instant)>>,
    /// Where the round over all places stands.
    round: Mutex<usize>,
    /// Places where the store may hold what is no longer here.
    doubtful: Mutex<HashSet<Place>>,
    /// Changes share it; a comparison, which must not meet a change half done, has it alone.
    /// `true`: this node has retired, and nothing is entered any more.
    changing: RwLock<bool>,
    /// A comparison of everything is due now.
    again: Notify,
    /// When the lease was last renewed.
    renewed: Mutex<Instant>,
}

impl Presence {
    pub fn new(members: Arc<dyn Members>, config: PresenceConfig, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            members,
            config,
            metrics,
            here: Mutex::default(),
            leaving: Mutex::default(),
            round: Mutex::default(),
            doubtful: Mutex::default(),
            changing: RwLock::new(false),
            again: Notify::new(),
            renewed: Mutex::new(Instant::now()),
        }))
    }

    /// Puts a connection into a place. If the store does not answer it is still noted here, and
    /// the next comparison enters it, unless the caller takes it out again.
    pub async fn enter(&self, place: &Place, member: &Member) -> Result<Diff> {
        let retired = self.0.changing.read().await;
        if *retired {
            return Err(Error::Draining);
        }
        self.0
            .here
            .lock()
            .entry(place.clone())
            .or_default()
            .insert(member.connection.clone(), member.clone());
        self.0.members.enter(place, member).await
    }

    /// Takes a connection out of a place; with `grace` its user may come back unnoticed.
    pub async fn leave(&self, place: &Place, connection: &ConnectionId, grace: bool) {
        let _changing = self.0.changing.read().await;
        let Some(member) = self.forget(place, connection) else { return };
        if let Err(error) = self.0.members.leave(place, &member, grace).await {
            tracing::debug!(place = place.key(), %error, "leaving is left to the next comparison");
            self.0.doubtful.lock().insert(place.clone());
        }
        if grace {
            // Counted from here, the store's own count has certainly begun.
            let ends = Instant::now() + self.0.config.grace;
            self.0.leaving.lock().entry(place.clone()).or_insert((ends, ends)).1 = ends;
        }
    }

    /// Takes a connection out of every place.
    pub async fn leave_all(&self, connection: &ConnectionId) {
        for place in self.places_of(connection) {
            self.leave(&place, connection, true).await;
        }
    }

    /// Shows a connection under another name wherever it is. Where the store cannot be told now,
    /// the next comparison tells it.
    pub async fn rename(&self, connection: &ConnectionId, name: &str) {
        for place in self.places_of(connection) {
            let member = self.0.here.lock().get(&place).and_then(|m| m.get(connection)).cloned();
            if let Some(mut member) = member {
                member.name = Some(name.to_owned());
                if let Err(error) = self.enter(&place, &member).await {
                    tracing::debug!(place = place.key(), %error, "a new name is told later");
                }
            }
        }
    }

    /// Users in a place; those whose grace has ended are not among them.
    pub async fn people(
        &self,
        place: &Place,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<People> {
        self.0.members.sweep(place).await?;
        self.0.members.people(place, cursor, limit).await
    }

    /// Which of these users are online, in the order asked.
    pub async fn online(&self, users: &[UserId]) -> Result<Vec<bool>> {
        let mut by_place: HashMap<Place, Vec<UserId>> = HashMap::new();
        for user in users {
            by_place.entry(Place::online(user)).or_default().push(user.clone());
        }
        let ask = by_place.iter().map(async |(place, users)| {
            self.0.members.sweep(place).await?;
            let here = self.0.members.present(place, users).await?;
            Ok::<_, Error>(users.iter().cloned().zip(here).collect::<Vec<_>>())
        });
        let found: HashMap<UserId, bool> = try_join_all(ask).await?.into_iter().flatten().collect();
        Ok(users.iter().map(|user| found.get(user).copied().unwrap_or_default()).collect())
    }

    /// How many connections a user has on all nodes.
    pub async fn connections(&self, user: &UserId) -> Result<usize> {
        Ok(self.0.members.connections(&Place::online(user), user).await?.len())
    }

    /// Named tutorial sockets of a place, in the order they came.
    pub async fn classic(
        &self,
        place: &Place,
        limit: usize,
    ) -> Result<Vec<(ConnectionId, String)>> {
        self.0.members.classic(place, limit).await
    }

    /// Starts what keeps presence right, until the soft stop.
    pub fn keep(&self, lifecycle: &Lifecycle) {
        let PresenceConfig { renew, reap, assert, .. } = self.0.config;
        lifecycle.spawn_until_stop(self.clone().every(renew, |this| async move {
            this.renew().await;
        }));
        lifecycle.spawn_until_stop(self.clone().every(reap, |this| async move {
            this.reap().await;
            this.sweep().await;
        }));
        let this = self.clone();
        lifecycle.spawn_until_stop(async move {
            loop {
                this.assert_all().await;
                tokio::select! {
                    () = tokio::time::sleep(clock::jitter(assert)) => {}
                    () = this.0.again.notified() => {}
                }
            }
        });
    }

    /// For how long the lease has not been renewed.
    pub fn lease_age(&self) -> Duration {
        self.0.renewed.lock().elapsed()
    }

    /// The last thing: takes out everything of this node, so that nobody has to reap it.
    pub async fn retire(&self) {
        let mut retired = self.0.changing.write().await;
        *retired = true;
        if let Err(error) = self.0.members.retire().await {
            tracing::warn!(%error, "could not take this node's people out; others will when its lease ends");
        }
    }

    async fn every<F: Future<Output = ()>>(self, period: Duration, step: impl Fn(Self) -> F) {
        loop {
            step(self.clone()).await;
            tokio::time::sleep(clock::jitter(period)).await;
        }
    }

    async fn renew(&self) {
        // Shared with changes: a lease renewed after this node has retired would outlive it.
        let retired = self.0.changing.read().await;
        if *retired {
            return;
        }
        let renewed = self.0.members.renew().await;
        if renewed.is_ok() {
            *self.0.renewed.lock() = Instant::now();
        }
        match renewed {
            Ok(Lease::Held) => {}
            Ok(Lease::Fenced) => {
                tracing::warn!("this node's lease had run out; entering its connections again");
                // By the task that compares: this one has to go on renewing.
                self.0.again.notify_one();
            }
            Err(error) => tracing::debug!(%error, "cannot renew the lease"),
        }
    }

    async fn reap(&self) {
        match self.0.members.reap().await {
            Ok(None) => {}
            Ok(Some(node)) => {
                tracing::info!(%node, "cleaned up after a dead node");
                self.0.metrics.reaped.add(1, &[]);
            }
            Err(error) => tracing::debug!(%error, "cannot look for dead nodes"),
        }
    }

    /// Ends the graces whose time has come.
    async fn sweep(&self) {
        let now = Instant::now();
        let due: Vec<Place> = {
            let mut leaving = self.0.leaving.lock();
            let due = leaving.iter().filter(|(_, (first, _))| *first <= now);
            let due = due.map(|(place, _)| place.clone()).collect();
            leaving.retain(|_, (first, last)| {
                *first = (*first).max(now);
                *last > now
            });
            due
        };
        let due: HashSet<Place> = due.into_iter().chain(self.some_places()).collect();
        let due: Vec<Place> = due.into_iter().collect();
        // Many asked in one breath: apart, each would wake both processes.
        for some in due.chunks(AT_ONCE) {
            let swept = some.iter().map(async |place| (self.0.members.sweep(place).await, place));
            for (swept, place) in join_all(swept).await {
                if let Err(error) = swept {
                    tracing::debug!(%error, "cannot end graces now");
                    self.0.leaving.lock().entry(place.clone()).or_insert((now, now));
                }
            }
        }
    }

    /// The next few places of the round: a node that is gone by now may have left graces there.
    fn some_places(&self) -> Vec<Place> {
        let here = self.0.here.lock();
        let mut round = self.0.round.lock();
        let begin = if *round >= here.len() { 0 } else { *round };
        let some = here.len().div_ceil(STEPS).min(AT_ONCE);
        *round = begin + some;
        here.keys().skip(begin).take(some).cloned().collect()
    }

    /// Compares place by place, and makes the store match.
    async fn assert_all(&self) {
        let mut places: HashSet<Place> = self.0.here.lock().keys().cloned().collect();
        places.extend(std::mem::take(&mut *self.0.doubtful.lock()));
        let places: Vec<Place> = places.into_iter().collect();
        for some in places.chunks(COMPARED_AT_ONCE) {
            self.assert(some).await;
        }
    }

    async fn assert(&self, places: &[Place]) {
        let retired = self.0.changing.write().await;
        if *retired {
            return;
        }
        let asserted = places.iter().map(async |place| {
            let members: Vec<Member> = {
                let here = self.0.here.lock();
                here.get(place).map(|m| m.values().cloned().collect()).unwrap_or_default()
            };
            (self.0.members.assert(place, &members).await, place)
        });
        for (asserted, place) in join_all(asserted).await {
            if let Err(error) = asserted {
                tracing::debug!(%error, "cannot compare presence now");
                self.0.doubtful.lock().insert(place.clone());
            }
        }
    }

    fn places_of(&self, connection: &ConnectionId) -> Vec<Place> {
        let here = self.0.here.lock();
        here.iter().filter(|(_, m)| m.contains_key(connection)).map(|(p, _)| p.clone()).collect()
    }

    fn forget(&self, place: &Place, connection: &ConnectionId) -> Option<Member> {
        let mut here = self.0.here.lock();
        let members = here.get_mut(place)?;
        let member = members.remove(connection);
        if members.is_empty() {
            here.remove(place);
        }
        member
    }
}
