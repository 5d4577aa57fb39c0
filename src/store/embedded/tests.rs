//! A disk that fails and comes back, which no test from outside can bring about.
use std::{
    fs::OpenOptions,
    io,
    ops::Bound,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use redb::{BackendError, Builder, StorageBackend, backends::FileBackend};
use tempfile::TempDir;

use super::*;
use crate::{
    adapter::{Adapter as _, GapCause, Heard, Hearing, Listening, Topic},
    clock,
    domain::{
        id::RoomId,
        message::{Author, Draft, Message, Terms},
        presence::Person,
    },
    store::log::{Log as _, Page, Range},
};

const SOUND: u8 = 0;
const FULL: u8 = 1;
const PANICS: u8 = 2;
const UNREADABLE: u8 = 3;

/// A file that does as it is told.
#[derive(Debug)]
struct Moody {
    file: FileBackend,
    mood: Arc<AtomicU8>,
}

impl Moody {
    fn unless(&self, bad: u8) -> io::Result<()> {
        match self.mood.load(Ordering::SeqCst) {
            PANICS if bad == FULL => panic!("the disk is haunted"),
            mood if mood == bad => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Moody {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.unless(UNREADABLE)?;
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.unless(FULL)?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.unless(FULL)?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.unless(FULL)?;
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    // The locks are the file's own: opening again must not meet the one that failed.
    fn try_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(from, to)
    }
    fn unlock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(from, to)
    }
}

/// Without a cache every read goes to the disk; with one, no write does before the commit.
const NO_CACHE: usize = 0;
const CACHE: usize = 1 << 20;

fn open_moody(
    path: &PathBuf,
    mood: &Arc<AtomicU8>,
    cache: usize,
) -> anyhow::Result<redb::Database> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let backend = Moody { file: FileBackend::new(file)?, mood: Arc::clone(mood) };
    let db = Builder::new().set_cache_size(cache).create_with_backend(backend)?;
    tables::prepare(&db)?;
    Ok(db)
}

struct Rig {
    store: Arc<EmbeddedStore>,
    mood: Arc<AtomicU8>,
    hearing: Hearing,
    _listening: Listening,
    _folder: TempDir,
}

fn remembering(idempotency: Duration) -> config::store::Store {
    config::store::Store {
        tls_ca: String::new(),
        url: String::new().into(),
        idempotency,
        retention_messages: 1_000,
        retention_age: Duration::ZERO,
        command_timeout: Duration::from_secs(2),
        durability: config::store::Demand::Auto,
    }
}

async fn rig(cache: usize) -> Rig {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hubbub.redb");
    let mood = Arc::new(AtomicU8::new(SOUND));
    let moody = Arc::clone(&mood);
    let opener = move || {
        let open = std::panic::AssertUnwindSafe(|| open_moody(&path, &moody, cache));
        std::panic::catch_unwind(open).unwrap_or_else(|_| anyhow::bail!("it panicked"))
    };
    let disk = Disk::by(Box::new(opener)).unwrap();
    let config = remembering(Duration::from_mins(10));
    let (adapter, hearing) = LocalAdapter::new();
    let listening = adapter.listen(Topic::Room(lobby())).await.unwrap();
    let presence = Presence::new(clock::new_node(), Duration::ZERO, Arc::clone(&adapter));
    let store = EmbeddedStore::on(disk, Rules::of(&config), presence, adapter).unwrap();
    Rig { store, mood, hearing, _listening: listening, _folder: folder }
}

fn lobby() -> RoomId {
    "lobby".parse().unwrap()
}

fn message(text: &str) -> Message {
    let person = Person { id: "ada".parse().unwrap(), name: None, classic: false };
    Message {
        room: lobby(),
        mid: clock::new_mid(),
        author: Author { person, connection: "c_1".parse().unwrap() },
        text: Draft::try_from(text.to_owned()).unwrap(),
        terms: Terms::default(),
    }
}

fn outcome<T: std::fmt::Debug>(result: Result<T>) -> Outcome {
    match result {
        Err(Error::Unavailable { outcome, .. }) => outcome,
        other => panic!("{other:?} is not `unavailable`"),
    }
}

impl Rig {
    fn turn(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    async fn page(&self) -> Result<Page> {
        self.store.page(&lobby(), Range::Newest, 100).await
    }

    async fn heard(&mut self) -> Heard {
        let heard = tokio::time::timeout(Duration::from_secs(30), self.hearing.recv()).await;
        heard.unwrap().unwrap()
    }
}

/// Asks until the store answers again.
async fn answered<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> T {
    let wait = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            match ask().await {
                Ok(value) => return value,
                Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{error:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap()
}

/// Fails a commit, and then expects a store that is what it was.
async fn fails_and_recovers(mood: u8) {
    let mut rig = rig(CACHE).await;
    rig.store.append(&message("before")).await.unwrap();
    assert!(matches!(rig.heard().await, Heard::Entry(entry) if entry.position.seq == 1));
    rig.turn(mood);
    let lost = message("lost or not");
    assert_eq!(outcome(rig.store.append(&lost).await), Outcome::Unknown);
    // It cannot be opened again yet, so nothing is even tried.
    assert_eq!(outcome(rig.store.append(&message("refused")).await), Outcome::None);
    assert_eq!(outcome(rig.page().await), Outcome::None);

    rig.turn(SOUND);
    let found = answered(|| rig.store.append(&lost)).await;
    assert_eq!(found.position.seq, 2);
    let after = rig.store.append(&message("after")).await.unwrap();
    assert_eq!(after.position.seq, 3);
    let texts: Vec<_> =
        rig.page().await.unwrap().entries.into_iter().map(|e| e.text.to_string()).collect();
    assert_eq!(texts, ["before", "lost or not", "after"]);
    // Nobody can know whether the failed commit was told, so a gap is.
    let heard = rig.heard().await;
    assert!(matches!(heard, Heard::Gap { rooms: None, cause: GapCause::Reconnected }), "{heard:?}");
}

#[tokio::test]
async fn a_full_disk_is_said_and_survived() {
    fails_and_recovers(FULL).await;
}

#[tokio::test]
async fn a_panic_on_the_stores_thread_is_said_and_survived() {
    fails_and_recovers(PANICS).await;
}

#[tokio::test]
async fn what_fails_before_the_commit_has_not_happened() {
    let mut rig = rig(NO_CACHE).await;
    rig.turn(FULL);
    assert_eq!(outcome(rig.store.append(&message("refused")).await), Outcome::None);
    rig.turn(SOUND);
    let first = message("first");
    let appended = answered(|| rig.store.append(&first)).await;
    assert_eq!(appended.position.seq, 1);
    let heard = rig.heard().await;
    assert!(matches!(heard, Heard::Entry(entry) if entry.position.seq == 1));
}

#[tokio::test]
async fn a_disk_that_could_not_be_read_is_read_again_without_any_append() {
    let rig = rig(NO_CACHE).await;
    rig.store.append(&message("before")).await.unwrap();
    rig.turn(UNREADABLE);
    assert_eq!(outcome(rig.page().await), Outcome::None);
    rig.turn(SOUND);
    let page = answered(|| rig.page()).await;
    assert_eq!(page.entries.len(), 1);
}

#[tokio::test]
async fn a_mid_is_remembered_until_it_is_too_old_without_a_moment_between() {
    let rig = rig(CACHE).await;
    let rules = Rules::of(&remembering(Duration::from_millis(5)));
    let written = rig.store.disk.with(|db| {
        let txn = db.begin_write().unwrap();
        let mut tables = tables::Tables::open(&txn).unwrap();
        let mut append_until_too_old = |message: Message| {
            let mut written = 0;
            loop {
                let with = (&rules, &mut paces::Paces::default());
                match append::append(&mut tables, with, (&message, None)).unwrap() {
                    Ok((appended, _)) => written += u32::from(!appended.dup),
                    Err(Error::Expired) => return written,
                    Err(other) => panic!("{other:?}"),
                }
            }
        };
        (0..20).map(|_| append_until_too_old(message("once"))).collect::<Vec<_>>()
    });
    // Not even once, if there was no turn until it was too old.
    assert!(written.as_ref().is_some_and(|written| written.iter().all(|n| *n <= 1)), "{written:?}");
}

#[tokio::test]
async fn a_memory_of_a_mid_is_forgotten_when_its_time_has_come() {
    let rig = rig(CACHE).await;
    let rules = Rules::of(&remembering(Duration::from_millis(1)));
    let count = || {
        rig.store.disk.with(|db| {
            use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
            let txn = db.begin_read().unwrap();
            let mids = txn.open_table(tables::MIDS).unwrap().len().unwrap();
            (mids, txn.open_table(tables::MIDS_BY_END).unwrap().len().unwrap())
        })
    };
    let write = |text: &str| {
        // A mid without a time: it is not too old, however late its turn comes.
        let mid = format!("undated-{}", clock::random_text()).parse().unwrap();
        let message = Message { mid, ..message(text) };
        rig.store.disk.with(|db| {
            let txn = db.begin_write().unwrap();
            let mut tables = tables::Tables::open(&txn).unwrap();
            let with = (&rules, &mut paces::Paces::default());
            append::append(&mut tables, with, (&message, None)).unwrap().unwrap();
            drop(tables);
            txn.commit().unwrap();
        })
    };
    for n in 0..10 {
        write(&n.to_string());
    }
    let begun = std::time::Instant::now();
    while count() != Some((1, 1)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?} are kept", count());
        write("again");
    }
}
