//! Which topics are wanted on this node, and which of them Redis has confirmed.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    error::Error as Failure,
    prelude::{ClientLike, PubsubInterface},
};
use parking_lot::Mutex;

use super::super::Topic;
use crate::{
    error::Result,
    redis::{GLOBAL_CHANNEL, Link, refusal, room_channel},
};

/// The channel of a topic.
pub(super) fn channel(topic: &Topic) -> String {
    match topic {
        Topic::Global => GLOBAL_CHANNEL.to_owned(),
        Topic::Room(room) => room_channel(room.as_str()),
    }
}

#[derive(Default)]
struct Slot {
    listeners: usize,
    /// When the last listener left.
    left: Option<Instant>,
    /// The generation of the connection that Redis confirmed it on; 0: none.
    confirmed: u64,
    /// Subscribing and unsubscribing take turns.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The table of topics. A subscription lives as long as its connection, so each loss begins a
/// new generation, in which nothing is confirmed.
pub(super) struct Topics {
    link: Arc<Link>,
    table: Mutex<HashMap<Topic, Slot>>,
    generation: AtomicU64,
    /// Some of what is wanted is not subscribed to, and nobody who wants it is trying.
    owed: AtomicBool,
}

impl Topics {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            table: Mutex::default(),
            generation: AtomicU64::new(1),
            owed: AtomicBool::new(false),
        }
    }

    pub(super) fn want(&self, topic: &Topic) {
        let mut table = self.table.lock();
        let slot = table.entry(topic.clone()).or_default();
        slot.listeners += 1;
        slot.left = None;
    }

    pub(super) fn release(&self, topic: &Topic) {
        if let Some(slot) = self.table.lock().get_mut(topic) {
            slot.listeners = slot.listeners.saturating_sub(1);
            if slot.listeners == 0 {
                slot.left = Some(Instant::now());
            }
        }
    }

    /// Takes a topic for not subscribed to.
    pub(super) fn doubt(&self, topic: &Topic) {
        if let Some(slot) = self.table.lock().get_mut(topic) {
            slot.confirmed = 0;
        }
    }

    /// The connection is another one, or will be.
    pub(super) fn lose_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.owe();
    }

    /// Whether there is something to subscribe to again, and a connection to do it on.
    pub(super) fn can_repair(&self) -> bool {
        self.owed.load(Ordering::Acquire) && self.link.subscriber().is_connected()
    }

    /// Somebody who wants something has given up trying.
    pub(super) fn owe(&self) {
        self.owed.store(true, Ordering::Release);
    }

    /// What fails from here on is owed anew.
    pub(super) fn begin_repair(&self) {
        self.owed.store(false, Ordering::Release);
    }

    pub(super) fn unconfirmed(&self) -> Vec<Topic> {
        let now = self.generation.load(Ordering::Acquire);
        let table = self.table.lock();
        table.iter().filter(|(_, slot)| slot.confirmed != now).map(|(t, _)| t.clone()).collect()
    }

    /// Whether a loss could have cost anything that a log can give back.
    pub(super) fn has_rooms(&self) -> bool {
        self.table.lock().keys().any(|topic| matches!(topic, Topic::Room(_)))
    }

    /// Returns when Redis has confirmed the subscription.
    pub(super) async fn confirm(&self, topic: &Topic) -> Result<()> {
        let Some(turn) = self.turn(topic) else { return Ok(()) };
        let _turn = turn.lock().await;
        // Read before subscribing: if the connection changes in between, this counts for the old.
        let generation = self.generation.load(Ordering::Acquire);
        if self.table.lock().get(topic).is_none_or(|slot| slot.confirmed == generation) {
            return Ok(());
        }
        if let Err(failure) = self.subscribe(topic).await {
            self.owe();
            return Err(refusal(&failure));
        }
        if let Some(slot) = self.table.lock().get_mut(topic) {
            slot.confirmed = generation;
        }
        Ok(())
    }

    /// One channel a command: fred counts one answer for each. After a slot has moved, the first
    /// try only teaches fred where to.
    async fn subscribe(&self, topic: &Topic) -> std::result::Result<(), Failure> {
        let subscriber = self.link.subscriber();
        match subscriber.ssubscribe(channel(topic)).await {
            Err(failure) if subscriber.is_clustered() => {
                tracing::debug!(%failure, "subscribing again");
                subscriber.ssubscribe(channel(topic)).await
            }
            reply => reply,
        }
    }

    /// Unsubscribes from what nobody has listened to for `linger`.
    pub(super) async fn close_unwanted(&self, linger: Duration) {
        let is_over = |slot: &Slot| slot.left.is_some_and(|left| left.elapsed() >= linger);
        let over: Vec<Topic> = {
            let table = self.table.lock();
            table.iter().filter(|(_, slot)| is_over(slot)).map(|(t, _)| t.clone()).collect()
        };
        for topic in over {
            let Some(turn) = self.turn(&topic) else { continue };
            let _turn = turn.lock().await;
            // Whoever comes now waits for its turn, and then finds it unconfirmed.
            match self.table.lock().get_mut(&topic) {
                Some(slot) if is_over(slot) => slot.confirmed = 0,
                _ => continue,
            }
            let subscriber = self.link.subscriber();
            if subscriber.is_connected()
                && let Err(failure) = subscriber.sunsubscribe(channel(&topic)).await
            {
                tracing::debug!(%failure, "a topic is still open at Redis; nobody hears it");
            }
            let mut table = self.table.lock();
            if table.get(&topic).is_some_and(is_over) {
                table.remove(&topic);
            }
        }
    }

    fn turn(&self, topic: &Topic) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.table.lock().get(topic).map(|slot| Arc::clone(&slot.turn))
    }
}
