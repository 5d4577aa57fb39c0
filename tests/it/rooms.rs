//! The registry of rooms by itself, over a real log that is slow to answer: whoever comes, at
//! whatever moment, has everything once.
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use hubbub::{
    adapter::local::LocalAdapter,
    clock,
    config::Config,
    domain::{
        id::{MessageId, RoomId},
        message::{Author, Entry, Message, Terms},
        moderation::Act,
        position::{Cursor, Head, Position},
        presence::Person,
        session::Vouched,
        view::View,
    },
    error::Result,
    lifecycle::Lifecycle,
    rooms::{
        CloseReason, Connection, Frame, Full, Heed, News, Outbox, Parts, Past, Retention, Rooms,
        Standing, Words,
    },
    store::{
        embedded::EmbeddedStore,
        log::{Appended, Log, Page, Range, Resumed},
    },
    telemetry::{Traces, metrics::Metrics},
};
use parking_lot::Mutex;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use rstest::rstest;

use crate::harness::{beside, eventually, heavy};

const SAID: u64 = 3_000;

fn lobby() -> RoomId {
    "lobby".parse().unwrap()
}

/// A number below this one.
fn below(most: u64) -> u64 {
    (0..most).new_tree(&mut TestRunner::default()).unwrap().current()
}

/// Nobody is moderated here.
struct Nobody;

impl Heed for Nobody {
    fn heed(&self, _: &Act, _: &Rooms) {}
    fn doubt(&self) {}
}

/// A log that takes its time to be read.
struct Slow(Arc<dyn Log>);

impl Slow {
    async fn dawdle(&self) {
        // The answer is as of when it is given; others go on before and after.
        for _ in 0..below(40) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Log for Slow {
    async fn append(&self, message: &Message) -> Result<Appended> {
        self.0.append(message).await
    }

    fn durability(&self) -> hubbub::domain::durability::Durability {
        self.0.durability()
    }
    async fn page(&self, room: &RoomId, range: Range, limit: usize) -> Result<Page> {
        self.dawdle().await;
        let page = self.0.page(room, range, limit).await;
        self.dawdle().await;
        page
    }
    async fn since(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Resumed> {
        self.dawdle().await;
        let resumed = self.0.since(room, cursor, limit).await;
        self.dawdle().await;
        resumed
    }
    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<Head>>> {
        self.dawdle().await;
        let heads = self.0.heads(rooms).await;
        self.dawdle().await;
        heads
    }
    async fn mid_at(&self, room: &RoomId, seq: u64) -> Result<Option<MessageId>> {
        self.0.mid_at(room, seq).await
    }
    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>> {
        self.0.rooms(after, limit).await
    }
}

/// Puts an entry's number on the wire, and nothing else.
struct Numbers;

impl Words for Numbers {
    fn frames(&self, _: &RoomId, news: &News<'_>, _: View) -> Vec<Frame> {
        match news {
            News::Entry(entry) => vec![Frame::new("entry", &entry.position.seq)],
            News::Reset { reason, .. } => panic!("a reset: {reason:?}"),
            _ => Vec::new(),
        }
    }
    fn told(&self, _: &RoomId, _: &News<'_>) {}
}

/// What somebody hears.
#[derive(Default)]
struct Ear(Mutex<Vec<u64>>);

impl Outbox for Ear {
    fn push(&self, frame: &Frame) -> Result<(), Full> {
        self.0.lock().push(frame.args[0].get().parse().unwrap());
        Ok(())
    }
    fn close(&self, reason: CloseReason) {
        panic!("closed: {reason:?}");
    }
}

/// The node under test, and what has been said so far.
struct World {
    rooms: Rooms,
    log: Arc<Slow>,
    said: Mutex<Vec<(Position, MessageId)>>,
    lifecycle: Lifecycle,
}

impl World {
    fn new() -> Arc<Self> {
        let mut config = Config::built_in();
        config.store.retention_messages = 2 * SAID;
        config.store.retention_age = Duration::ZERO;
        let (adapter, hearing) = LocalAdapter::new();
        let node = clock::new_node();
        let store =
            EmbeddedStore::open(None, &config.store, &config.presence, adapter.clone(), node);
        let log = Arc::new(Slow(store.unwrap()));
        let lifecycle = Lifecycle::default();
        let rooms = Rooms::new(Parts {
            config: config.rooms,
            typing_every: config.limits.typing_every,
            retention: Retention { messages: 2 * SAID, age: Duration::ZERO },
            log: log.clone(),
            adapter,
            words: Arc::new(Numbers),
            heed: Arc::new(Nobody),
            metrics: Metrics::none(),
            traces: Traces::off(),
            lifecycle: lifecycle.clone(),
        });
        lifecycle.spawn_until_stop(rooms.clone().listen(hearing));
        Arc::new(Self { rooms, log, said: Mutex::default(), lifecycle })
    }

    async fn say(&self) {
        let person = Person { id: clock::new_guest(), name: None, classic: false };
        let author = Author { person, connection: clock::new_connection() };
        let text = "hello".to_owned().try_into().unwrap();
        let message =
            Message { room: lobby(), mid: clock::new_mid(), author, text, terms: Terms::default() };
        let appended = self.log.append(&message).await.unwrap();
        self.said.lock().push((appended.position, message.mid));
    }

    /// A cursor at one of the last so many that were said; none: at nothing.
    fn somewhere(&self, of: u64) -> Option<Cursor> {
        let said = self.said.lock();
        let back = usize::try_from(below(of)).unwrap();
        let (position, mid) = said.get(said.len().checked_sub(back + 1)?)?;
        let seq = position.seq.try_into().unwrap();
        Some(Cursor { epoch: Some(position.epoch.clone()), seq, mid: Some(mid.clone()) })
    }
}

/// Somebody who came, and what it has: what it read and what it heard.
struct Guest {
    connection: Arc<Connection>,
    ear: Arc<Ear>,
    /// What it had seen before it came; what it has begins right after that.
    since: Option<u64>,
    read: Vec<u64>,
}

impl Guest {
    async fn comes(world: &World) -> Self {
        let ear = Arc::new(Ear::default());
        let (id, user) = (clock::new_connection(), clock::new_guest());
        let connection = Connection::new(
            id,
            user.clone(),
            View::NATIVE,
            ear.clone(),
            Standing::new(user, None, None, Vouched::guest(0)),
        );
        let entered = world.rooms.enter(&connection, &lobby()).unwrap();
        entered.ready().await.unwrap();
        let since = world.somewhere(300);
        let limit = usize::try_from(1 + below(200)).unwrap();
        let past = entered.read(since.as_ref(), limit).await.unwrap();
        assert!(past.reset.is_none() && !past.truncated, "{past:?}");
        let (upto, head) = (upto(&past), past.head.as_ref().map_or(0, |head| head.seq));
        let read = past.head.as_ref().map(|head| (head.epoch.clone(), upto));
        let more = past.more_after;
        let mut seqs = seqs(&past.entries);
        entered.go_live(read.as_ref(), head);
        let mut at = upto;
        let mut behind = more;
        while behind {
            let page = world.rooms.catch_up(&connection, &lobby(), at, limit).await;
            let page = match page {
                Some(page) => page.unwrap(),
                None => world.log.page(&lobby(), Range::After(at), limit).await.unwrap().into(),
            };
            seqs.extend(self::seqs(&page.entries));
            behind = page.more_after;
            at = self::upto(&page);
        }
        Self { connection, ear, since: since.map(|since| since.seq.get()), read: seqs }
    }

    /// Everything it has is there once, in order and without a hole; the last of it.
    fn has_no_hole(&self) -> u64 {
        let mut has = self.read.clone();
        for heard in self.ear.0.lock().iter() {
            // What was said while it was still catching up comes twice.
            if has.last().is_none_or(|last| heard > last) {
                has.push(*heard);
            }
        }
        let first = self.since.map(|since| since + 1).or(has.first().copied()).unwrap_or(1);
        assert!(has.iter().copied().eq((first..).take(has.len())), "{:?}: {has:?}", self.since);
        has.last().copied().unwrap_or(first - 1)
    }

    fn goes(&self, world: &World) {
        world.rooms.leave(&self.connection, &lobby());
    }
}

fn seqs(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.position.seq).collect()
}

fn upto(past: &Past) -> u64 {
    let head = past.head.as_ref().map_or(0, |head| head.seq);
    past.entries.last().filter(|_| past.more_after).map_or(head, |last| last.position.seq)
}

#[rstest]
#[case::where_often_nobody_is_left(2)]
#[case::where_somebody_always_is(24)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_and_goes_has_everything_once(#[case] coming: usize) {
    let _turn = heavy().await;
    let world = World::new();
    let talking = {
        let world = world.clone();
        beside(async move {
            for _ in 0..SAID {
                world.say().await;
            }
        })
    };

    let come_and_go = |_| {
        let world = world.clone();
        let talking = talking.abort_handle();
        beside(async move {
            let mut visits = 0;
            loop {
                let is_last = talking.is_finished();
                let guest = Guest::comes(&world).await;
                if is_last {
                    eventually("the last word", || async {
                        (guest.has_no_hole() == SAID).then_some(())
                    })
                    .await;
                    return visits;
                }
                for _ in 0..below(100) {
                    tokio::task::yield_now().await;
                }
                guest.has_no_hole();
                guest.goes(&world);
                visits += 1;
            }
        })
    };
    let visits: usize =
        join_all((0..coming).map(come_and_go)).await.into_iter().map(Result::unwrap).sum();
    talking.await.unwrap();

    assert!(visits > coming, "{visits} visits");
    world.lifecycle.finish(Duration::from_secs(5)).await;
}
