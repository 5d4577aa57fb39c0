//! The adapter of a single node: what is told is heard here.
//!
//! Bounds: the one [`Hearing`] holds [`CAPACITY`] items, the last of them kept free for a
//! [`Heard::Gap`]. When only that one is left, an entry is not queued; the gap is, once, in its
//! place in the order, and whoever hears it reads the log, where every such entry already is.
//! Nothing more is queued until there is room again. Lists and presence are at most once anyway:
//! those that find no room are dropped and counted ([`LocalAdapter::dropped`]).
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Adapter, GapCause, Heard, Hearing, Listening, Told, Topic, topic_of};
use crate::{
    domain::{id::RoomId, message::Entry, moderation::Act, presence::Diff},
    error::Result,
};

/// How much may wait to be heard.
pub const CAPACITY: usize = 8_192;

/// One node: nobody else is told, and nobody else tells. Listening costs nothing here, so it
/// ends at once and does not linger.
pub struct LocalAdapter {
    state: Arc<Mutex<State>>,
    dropped: AtomicU64,
}

struct State {
    /// How many guards there are for each topic.
    topics: HashMap<Topic, usize>,
    sender: mpsc::Sender<Heard>,
    /// The place kept free for a gap; `None` from when it was used until there is room again.
    kept: Option<mpsc::OwnedPermit<Heard>>,
}

impl LocalAdapter {
    pub fn new() -> (Arc<Self>, Hearing) {
        Self::with_capacity(CAPACITY)
    }

    /// With room for this many, which is at least 2.
    pub fn with_capacity(capacity: usize) -> (Arc<Self>, Hearing) {
        let (sender, hearing) = mpsc::channel(capacity.max(2));
        let kept = sender.clone().try_reserve_owned().ok();
        let state = State { topics: HashMap::new(), sender, kept };
        let adapter = Self { state: Arc::new(Mutex::new(state)), dropped: AtomicU64::new(0) };
        (Arc::new(adapter), hearing)
    }

    /// An entry was committed. Called in commit order, by the store's writer alone.
    pub fn publish_entry(&self, entry: Arc<Entry>) {
        let mut state = self.state.lock();
        if state.topics.contains_key(&Topic::Room(entry.room.clone()))
            && !state.offer(Heard::Entry(entry))
        {
            state.gap(GapCause::Lagged);
        }
    }

    /// A room's people changed.
    pub fn publish_presence(&self, room: &RoomId, diff: Diff) {
        let mut state = self.state.lock();
        if state.topics.contains_key(&Topic::Room(room.clone()))
            && !state.offer(Heard::Presence(room.clone(), diff))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Somebody was moderated. When there is no room the gap is heard, and then the store is asked.
    pub fn publish_act(&self, act: Act) {
        let topic = act.room.clone().map_or(Topic::Global, Topic::Room);
        let mut state = self.state.lock();
        if state.topics.contains_key(&topic) && !state.offer(Heard::Act(Box::new(act))) {
            state.gap(GapCause::Lagged);
        }
    }

    /// Entries may have been committed that nobody was told of.
    pub fn publish_gap(&self, cause: GapCause) {
        self.state.lock().gap(cause);
    }
}

impl State {
    /// Queues it unless there is no room. A receiver that is gone has nothing to miss.
    fn offer(&mut self, heard: Heard) -> bool {
        self.keep_a_place()
            && !matches!(self.sender.try_send(heard), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Whether the gap's place is free, after an attempt to free it.
    fn keep_a_place(&mut self) -> bool {
        if self.kept.is_none() && !self.sender.is_closed() {
            self.kept = self.sender.clone().try_reserve_owned().ok();
        }
        self.kept.is_some() || self.sender.is_closed()
    }

    /// Without a free place a gap is still waiting to be heard, and covers this one too: the log
    /// is read after it is heard, and what it stands for is in the log by now.
    fn gap(&mut self, cause: GapCause) {
        if self.keep_a_place()
            && let Some(place) = self.kept.take()
        {
            place.send(Heard::Gap { rooms: None, cause });
        }
    }
}

#[async_trait]
impl Adapter for LocalAdapter {
    async fn tell(&self, what: Vec<Told>) -> Result<()> {
        if what.is_empty() {
            return Ok(());
        }
        let topic = topic_of(&what);
        let mut state = self.state.lock();
        if state.topics.contains_key(&topic) && !state.offer(Heard::Told(what)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Nothing here can become deaf.
    async fn relisten(&self, _: &Topic) -> Result<()> {
        Ok(())
    }

    async fn listen(&self, topic: Topic) -> Result<Listening> {
        *self.state.lock().topics.entry(topic.clone()).or_default() += 1;
        let state = Arc::clone(&self.state);
        Ok(Listening::new(move || state.lock().release(&topic)))
    }
}

impl State {
    fn release(&mut self, topic: &Topic) {
        if let Some(guards) = self.topics.get_mut(topic) {
            *guards -= 1;
            if *guards == 0 {
                self.topics.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::view::View;

    fn entry(seq: u64) -> Arc<Entry> {
        let text = format!(
            "e1 epoch123 {seq} 0 mid-0123456789-{seq} \
             {{\"author\":{{\"id\":\"ada\",\"connection\":\"c1\"}},\"text\":\"\"}}"
        );
        let room = "lobby".parse().unwrap();
        Arc::new(crate::adapter::envelope::read_entry(&room, &text).unwrap())
    }

    async fn lobby(adapter: &LocalAdapter) -> Listening {
        adapter.listen(Topic::Room("lobby".parse().unwrap())).await.unwrap()
    }

    #[tokio::test]
    async fn when_it_is_full_a_gap_takes_the_place_of_what_is_missing() {
        let (adapter, mut hearing) = LocalAdapter::with_capacity(3);
        let _guard = lobby(&adapter).await;
        for seq in 1..=5 {
            adapter.publish_entry(entry(seq));
        }
        for seq in 1..=2 {
            assert!(matches!(hearing.try_recv(), Ok(Heard::Entry(e)) if e.position.seq == seq));
        }
        let gap = Heard::Gap { rooms: None, cause: GapCause::Lagged };
        assert_eq!(format!("{:?}", hearing.try_recv().unwrap()), format!("{gap:?}"));
        assert!(hearing.try_recv().is_err());
        adapter.publish_entry(entry(6));
        assert!(matches!(hearing.try_recv(), Ok(Heard::Entry(e)) if e.position.seq == 6));
    }

    #[tokio::test]
    async fn a_list_that_finds_no_room_is_dropped_and_counted() {
        let (adapter, mut hearing) = LocalAdapter::with_capacity(3);
        let _guard = adapter.listen(Topic::Global).await.unwrap();
        for n in 0..5 {
            let list = Told::new(super::super::Audience::Everyone, View::NATIVE, "n", &n).unwrap();
            adapter.tell(vec![list]).await.unwrap();
        }
        assert_eq!(adapter.dropped(), 3);
        assert!(matches!(hearing.try_recv(), Ok(Heard::Told(_))));
        assert!(matches!(hearing.try_recv(), Ok(Heard::Told(_))));
        assert!(hearing.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_topic_is_heard_until_its_last_guard_is_dropped() {
        let (adapter, mut hearing) = LocalAdapter::new();
        let (one, two) = (lobby(&adapter).await, lobby(&adapter).await);
        drop(one);
        adapter.publish_entry(entry(1));
        drop(two);
        adapter.publish_entry(entry(2));
        assert!(matches!(hearing.try_recv(), Ok(Heard::Entry(e)) if e.position.seq == 1));
        assert!(hearing.try_recv().is_err());
    }
}
