//! A node's lease, and what becomes of a node that has none any more.
use std::sync::atomic::Ordering;

use anyhow::anyhow;
use futures_util::future::try_join_all;

use super::{
    RedisStore,
    keys::{self, PlaceKeys},
    members::REAP,
};
use crate::{
    domain::{id::NodeId, room::Place},
    error::Result,
    redis::Script,
    store::members::{Lease, People},
};

static RENEW: Script = Script::new(include_str!("scripts/renew.lua"));
static DEAD: Script = Script::new(include_str!("scripts/dead.lua"));
static BURY: Script = Script::new(include_str!("scripts/bury.lua"));
static PEOPLE: Script = Script::new(include_str!("scripts/people.lua"));

/// Places cleared at once.
const BATCH: usize = 64;

impl RedisStore {
    /// Renews the lease. The first time in a process there is none yet, and nothing that others
    /// could have cleared away: that is no fencing.
    pub(super) async fn renew_lease(&self) -> Result<Lease> {
        let args = vec![self.node.to_string(), self.presence.lease.as_millis().to_string()];
        let reply = RENEW.run(&self.link, vec![keys::LEASES.to_owned()], args).await?;
        let is_first = !self.leased.swap(true, Ordering::AcqRel);
        if is_first || reply.first().is_some_and(|word| word == "held") {
            Ok(Lease::Held)
        } else {
            // Whoever declared this node dead has taken its list too.
            self.listed.lock().1.clear();
            Ok(Lease::Fenced)
        }
    }

    /// The node to reap: a given one if it is still dead, or any.
    async fn dead(&self, node: Option<&NodeId>) -> Result<Option<NodeId>> {
        let node = node.map(NodeId::to_string).unwrap_or_default();
        let args = vec![self.node.to_string(), node];
        let reply = DEAD.run(&self.link, vec![keys::LEASES.to_owned()], args).await?;
        let id = reply.first().map(|node| node.parse()).transpose();
        Ok(id.map_err(|error| anyhow!("a lease of nobody: {error}"))?)
    }

    pub(super) async fn reap_one(&self) -> Result<Option<NodeId>> {
        let Some(node) = self.dead(None).await? else { return Ok(None) };
        while self.clear_batch(&node).await? {
            // A node that was only slow has come back and enters all it has; it is not helped.
            if self.dead(Some(&node)).await?.is_none() {
                return Ok(Some(node));
            }
        }
        BURY.run(&self.link, vec![keys::LEASES.to_owned()], vec![node.to_string()]).await?;
        Ok(Some(node))
    }

    pub(super) async fn retire_self(&self) -> Result<()> {
        while self.clear_batch(&self.node).await? {}
        let args = vec![keys::LEASES.to_owned(), self.node.to_string()];
        self.link.command::<u64>("ZREM", args).await.map(drop)
    }

    /// Clears some of a node's places; `false`: there were none left. Any number of nodes may do
    /// it at once: each place is one step, and twice is once.
    async fn clear_batch(&self, node: &NodeId) -> Result<bool> {
        let of_node = keys::places_of(node);
        let args = vec![of_node.clone(), BATCH.to_string()];
        let places: Vec<String> = self.link.command("SRANDMEMBER", args).await?;
        if places.is_empty() {
            return Ok(false);
        }
        let clear = |key: &String| {
            let place = Place::from_key(key);
            async move {
                match place {
                    Some(place) => self.change(&REAP, &place, node, Vec::new()).await.map(drop),
                    None => Ok(()),
                }
            }
        };
        try_join_all(places.iter().map(clear)).await?;
        let mut args = vec![of_node];
        args.extend(places);
        self.link.command::<u64>("SREM", args).await?;
        Ok(true)
    }

    pub(super) async fn read_people(
        &self,
        place: &Place,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<People> {
        let keys = PlaceKeys::of(place);
        let from = cursor.map_or_else(|| "-".to_owned(), |user| format!("({user}"));
        let args = vec![from, limit.to_string()];
        let reply = PEOPLE.run(&self.link, vec![keys.users(), keys.people()], args).await?;
        let [count, cursor, people @ ..] = &reply[..] else {
            return Err(anyhow!("people's reply is too short").into());
        };
        let people: Result<Vec<_>, _> =
            people.iter().map(|json| serde_json::from_str(json)).collect();
        Ok(People {
            people: people.map_err(anyhow::Error::from)?,
            cursor: Some(cursor.clone()).filter(|cursor| !cursor.is_empty()),
            count: count.parse().map_err(anyhow::Error::from)?,
        })
    }
}
