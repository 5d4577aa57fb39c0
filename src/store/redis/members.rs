//! Membership in Redis: a family of scripts over one place, and the lease of each node.
use std::collections::HashSet;

use anyhow::anyhow;
use async_trait::async_trait;

use super::{
    RedisStore,
    keys::{self, PlaceKeys},
};
use crate::{
    domain::{
        id::{ConnectionId, NodeId, UserId},
        presence::{Diff, Member, Person},
        room::Place,
    },
    error::Result,
    redis::Script,
    store::members::{Lease, Members, People},
};

/// A script over one place: what they share, and its own.
macro_rules! over_place {
    ($file:literal) => {
        Script::new(concat!(include_str!("scripts/place.lua"), include_str!($file)))
    };
}
static ENTER: Script = over_place!("scripts/enter.lua");
static LEAVE: Script = over_place!("scripts/leave.lua");
static SWEEP: Script = over_place!("scripts/sweep.lua");
static ASSERT: Script = over_place!("scripts/assert.lua");
pub(super) static REAP: Script = over_place!("scripts/reap.lua");

/// How many locks places share.
pub(super) const STRIPES: usize = 256;

impl RedisStore {
    /// Runs a script over a place as a node, and says whether that node is done with the place.
    pub(super) async fn change(
        &self,
        script: &Script,
        place: &Place,
        node: &NodeId,
        own: Vec<String>,
    ) -> Result<(Diff, bool)> {
        let keys = PlaceKeys::of(place);
        let mut args = vec![node.to_string(), keys.channel()];
        args.extend(own);
        let reply = script.run(&self.link, keys.all(node), args).await?;
        match &reply[..] {
            [diff, idle] => {
                let diff = serde_json::from_str(diff).map_err(anyhow::Error::from)?;
                Ok((diff, idle == "1"))
            }
            _ => Err(anyhow!("unknown reply of a place: {reply:?}").into()),
        }
    }

    /// `{n:<node>}:rooms` is in another slot than the place, so it cannot change in the same
    /// step: it is written before an enter and cleared after a leave. This keeps the one from
    /// coming between the two halves of the other. Enters do not keep each other waiting: when a
    /// node has died, hundreds come into one room at once.
    async fn hold(&self, place: &Place) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.stripe(place).write().await
    }

    fn stripe(&self, place: &Place) -> &tokio::sync::RwLock<()> {
        let key = place.key();
        let stripe = key.bytes().fold(0usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        &self.stripes[stripe % STRIPES]
    }

    /// Puts a place on the list of this node, unless it is there. On a new connection, or without
    /// the lease it was written under, it may not be there any more; what else could take it away
    /// (a server of a Cluster that comes back without it) the next comparison mends.
    async fn begin(&self, place: &Place) -> Result<()> {
        let connection = self.link.connection();
        let is_listed = {
            let listed = self.listed.lock();
            listed.0 == connection && listed.1.contains(&place.key())
        };
        if is_listed { Ok(()) } else { self.list(place, connection).await }
    }

    async fn list(&self, place: &Place, connection: u64) -> Result<()> {
        // Without a lease nobody would ever reap what is entered now.
        if !self.leased.load(std::sync::atomic::Ordering::Acquire) {
            self.renew_lease().await?;
        }
        let args = vec![keys::places_of(&self.node), place.key()];
        self.link.command::<u64>("SADD", args).await?;
        let mut listed = self.listed.lock();
        if listed.0 != connection {
            *listed = (connection, HashSet::new());
        }
        listed.1.insert(place.key());
        Ok(())
    }

    /// Forgets a place that this node has no business in any more. If that fails the place is
    /// merely cleared once more than needed, one day.
    async fn end_if(&self, idle: bool, place: &Place) {
        if idle {
            self.listed.lock().1.remove(&place.key());
            let args = vec![keys::places_of(&self.node), place.key()];
            if let Err(error) = self.link.command::<u64>("SREM", args).await {
                tracing::debug!(%error, "a place stays on the list of this node");
            }
        }
    }
}

/// A member and how others see it, as the scripts take them.
fn texts(member: &Member) -> Result<[String; 2]> {
    let json = serde_json::to_string(member).map_err(anyhow::Error::from)?;
    let person = serde_json::to_string(&Person::from(member)).map_err(anyhow::Error::from)?;
    Ok([json, person])
}

#[async_trait]
impl Members for RedisStore {
    async fn enter(&self, place: &Place, member: &Member) -> Result<Diff> {
        let _shared = self.stripe(place).read().await;
        self.begin(place).await?;
        let own = texts(member)?.to_vec();
        Ok(self.change(&ENTER, place, &self.node, own).await?.0)
    }

    async fn leave(&self, place: &Place, member: &Member, grace: bool) -> Result<Diff> {
        let _held = self.hold(place).await;
        let grace = if grace { self.presence.grace.as_millis() } else { 0 };
        let own = vec![member.connection.to_string(), member.user.to_string(), grace.to_string()];
        let (diff, idle) = self.change(&LEAVE, place, &self.node, own).await?;
        self.end_if(idle, place).await;
        Ok(diff)
    }

    async fn sweep(&self, place: &Place) -> Result<Diff> {
        let _held = self.hold(place).await;
        let (diff, idle) = self.change(&SWEEP, place, &self.node, Vec::new()).await?;
        self.end_if(idle, place).await;
        Ok(diff)
    }

    async fn assert(&self, place: &Place, members: &[Member]) -> Result<Diff> {
        let _held = self.hold(place).await;
        if !members.is_empty() {
            self.list(place, self.link.connection()).await?;
        }
        let mut own = Vec::with_capacity(members.len() * 2);
        for member in members {
            own.extend(texts(member)?);
        }
        let (diff, idle) = self.change(&ASSERT, place, &self.node, own).await?;
        self.end_if(idle, place).await;
        Ok(diff)
    }

    async fn people(&self, place: &Place, cursor: Option<&str>, limit: usize) -> Result<People> {
        self.read_people(place, cursor, limit).await
    }

    async fn present(&self, place: &Place, users: &[UserId]) -> Result<Vec<bool>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec![PlaceKeys::of(place).users()];
        args.extend(users.iter().map(UserId::to_string));
        let scores: Vec<Option<f64>> = self.link.command("ZMSCORE", args).await?;
        Ok(scores.iter().map(Option::is_some).collect())
    }

    async fn classic(&self, place: &Place, limit: usize) -> Result<Vec<(ConnectionId, String)>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let args = vec![PlaceKeys::of(place).classic(), "0".into(), (limit - 1).to_string()];
        let found: Vec<String> = self.link.command("ZRANGE", args).await?;
        let parse = |tag: &String| {
            let mut parts = tag.splitn(3, '/').skip(1);
            Some((parts.next()?.parse().ok()?, parts.next()?.to_owned()))
        };
        Ok(found.iter().filter_map(parse).collect())
    }

    async fn connections(
        &self,
        place: &Place,
        user: &UserId,
    ) -> Result<Vec<(NodeId, ConnectionId)>> {
        let args = vec![PlaceKeys::of(place).of_user(user)];
        let found: Vec<String> = self.link.command("SMEMBERS", args).await?;
        let parse = |tag: &String| {
            let (node, connection) = tag.split_once('/')?;
            Some((node.parse().ok()?, connection.parse().ok()?))
        };
        Ok(found.iter().filter_map(parse).collect())
    }

    async fn renew(&self) -> Result<Lease> {
        self.renew_lease().await
    }

    async fn reap(&self) -> Result<Option<NodeId>> {
        self.reap_one().await
    }

    async fn retire(&self) -> Result<()> {
        self.retire_self().await
    }
}
