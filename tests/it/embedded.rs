//! What only a store in a file has to keep: its file.
use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use futures_util::{FutureExt as _, future::join_all};
use hubbub::{
    adapter::local::LocalAdapter,
    clock,
    domain::message::{Entry, Message},
    error::{Error, Outcome},
    store::{
        embedded::EmbeddedStore,
        log::{Log, Range},
        moderation::Moderation,
        sessions::Sessions,
    },
};
use redb::TableDefinition;
use rstest::rstest;
use tempfile::TempDir;

use crate::contract::{backend::Settings, words::*};

/// Names the file to the child that [`what_was_acked_outlives_a_kill`] starts.
const VICTIM: &str = "HUBBUB_TEST_VICTIM";

fn open_with(path: &Path, settings: &Settings) -> anyhow::Result<Arc<EmbeddedStore>> {
    let (adapter, _) = LocalAdapter::new();
    let Settings { store, presence } = settings;
    EmbeddedStore::open(Some(path), store, presence, adapter, clock::new_node())
}

fn open(path: &Path) -> anyhow::Result<Arc<EmbeddedStore>> {
    open_with(path, &Settings::default())
}

/// Why it does not open, as `main` would print it.
fn refusal(path: &Path) -> String {
    format!("{:#}", open(path).map(drop).unwrap_err())
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hubbub.redb");
    (folder, path)
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    write(&*store, "lobby", 50).await;
    let sent = message("attic", "ada", "once");
    store.append(&sent).await.unwrap();
    let before = store.page(&room("lobby"), Range::Newest, 200).await.unwrap();
    let heads = store.heads(&[room("lobby"), room("attic")]).await.unwrap();
    store.guest_key("the key").await.unwrap();
    store.close().await;

    let store = open(&path).unwrap();
    let after = store.page(&room("lobby"), Range::Newest, 200).await.unwrap();
    assert_eq!((after.entries, after.head), (before.entries, before.head));
    assert_eq!(store.heads(&[room("lobby"), room("attic")]).await.unwrap(), heads);
    assert!(store.append(&sent).await.unwrap().dup);
    assert_eq!(store.guest_key("another").await.unwrap(), "the key");
    assert_eq!(say(&*store, "lobby", "next").await.position.seq, 51);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_refuses_what_comes_later() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let messages: Vec<Message> = (0..300).map(|_| message("lobby", "ada", "hi")).collect();
    let mut appends = Box::pin(join_all(messages.iter().map(|message| store.append(message))));
    // All of them are queued by the first poll; then the store is told to close.
    assert!((&mut appends).now_or_never().is_none());
    let (results, ()) = tokio::join!(appends, store.close());
    assert!(results.iter().all(Result::is_ok));
    let refused = store.append(&messages[0]).await;
    assert!(matches!(refused, Err(Error::Unavailable { outcome: Outcome::None, .. })));
    let refused = store.heads(&[room("lobby")]).await;
    assert!(matches!(refused, Err(Error::Unavailable { outcome: Outcome::None, .. })));
    let again = open(&path).unwrap();
    assert_eq!(head(&*again, "lobby").await.unwrap().seq, 300);
}

#[tokio::test]
async fn the_folders_above_the_file_are_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b/c/hubbub.redb");
    let store = open(&path).unwrap();
    say(&*store, "lobby", "hi").await;
    drop(store);
    assert_eq!(head(&*open(&path).unwrap(), "lobby").await.unwrap().seq, 1);
}

#[tokio::test]
async fn a_file_that_is_in_use_is_refused_in_one_line() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let says = refusal(&path);
    let shown = path.display();
    assert!(says.starts_with(&format!("the store {shown} is in use by another process")), "{says}");
    assert_eq!(says.lines().count(), 1);
    // And the one that has it goes on.
    say(&*store, "lobby", "hi").await;
    drop(store);
    open(&path).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let (_folder, path) = folder();
    fs::write(&path, "these are my holiday notes\n".repeat(1_000)).unwrap();
    assert!(refusal(&path).starts_with("cannot open the store"));
    assert!(fs::read_to_string(&path).unwrap().starts_with("these are my holiday notes"));
    // Somebody else's database is not ours either.
    fs::remove_file(&path).unwrap();
    let db = redb::Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TableDefinition::<&str, u64>::new("prices")).unwrap().insert("tea", 3).unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(refusal(&path).contains("it is not a store of Hubbub's"), "{}", refusal(&path));
}

#[test]
fn a_store_of_a_newer_release_is_refused() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    pretend(&path, b'4', &[]);
    let says = refusal(&path);
    assert!(says.contains("its schema is 4") && says.contains("newer release"), "{says}");
}

/// Makes a file look as if a release of this schema, which had not these tables, had written it.
fn pretend(path: &Path, schema: u8, without: &[&str]) {
    let mut row = crc32fast::hash(&[b"schema\x00", &[schema][..]].concat()).to_le_bytes().to_vec();
    row.push(schema);
    let db = redb::Database::create(path).unwrap();
    let txn = db.begin_write().unwrap();
    let about = TableDefinition::<&str, &[u8]>::new("about");
    txn.open_table(about).unwrap().insert("schema", row.as_slice()).unwrap();
    for name in without {
        let tables: Vec<_> = txn.list_tables().unwrap().collect();
        let table = tables.into_iter().find(|table| redb::TableHandle::name(table) == *name);
        assert!(txn.delete_table(table.unwrap()).unwrap());
    }
    txn.commit().unwrap();
}

#[rstest]
#[case::before_moderation(b'1', &["rules", "record", "theirs"])]
#[case::before_roles(b'2', &["theirs"])]
#[tokio::test]
async fn a_store_of_an_older_release_is_taken_as_it_is(
    #[case] schema: u8,
    #[case] without: &[&str],
) {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    write(&*store, "lobby", 3).await;
    drop(store);
    pretend(&path, schema, without);

    let store = open(&path).unwrap();
    write(&*store, "lobby", 1).await;

    assert_eq!(numbers(&store.page(&room("lobby"), Range::Newest, 9).await.unwrap()), [1, 2, 3, 4]);
    assert_eq!(store.version().await.unwrap(), 0);
    drop(store);
    open(&path).unwrap();
}

#[tokio::test]
async fn retention_by_count_is_exact() {
    let (_folder, path) = folder();
    let mut settings = Settings::default();
    settings.store.retention_messages = 10;
    let store = open_with(&path, &settings).unwrap();
    write(&*store, "lobby", 25).await;
    let page = store.page(&room("lobby"), Range::After(0), 200).await.unwrap();
    assert_eq!(numbers(&page), (16..=25).collect::<Vec<_>>());
    drop(store);
    // A number that was lowered counts at once, also where nobody writes.
    settings.store.retention_messages = 3;
    let store = open_with(&path, &settings).unwrap();
    let page = store.page(&room("lobby"), Range::Newest, 200).await.unwrap();
    assert_eq!((numbers(&page), page.first), (vec![23, 24, 25], 23));
}

/// What a store held before its file was damaged.
struct Truth {
    entries: Vec<Entry>,
    message: Message,
}

/// Reads everything. What is read must be the truth; an error is fine.
async fn look(path: &Path, truth: &Truth) -> anyhow::Result<()> {
    let store = open(path)?;
    let rooms = store.rooms(None, 100).await?;
    assert_eq!(rooms, [room("attic"), room("lobby")]);
    let head = store.heads(&[room("lobby")]).await?.remove(0).unwrap();
    let last = truth.entries.last().unwrap();
    assert_eq!((&head.epoch, head.seq), (&last.position.epoch, last.position.seq));
    let mut read = Vec::new();
    loop {
        let page = store.page(&room("lobby"), Range::After(read.len() as u64), 200).await?;
        read.extend(page.entries);
        if !page.more_after {
            break;
        }
    }
    assert!(read == truth.entries, "what was read is not what was written");
    assert_eq!(store.mid_at(&room("lobby"), 7).await?.as_ref(), Some(&truth.entries[6].mid));
    // Writing must not panic either, nor answer another position.
    let again = store.append(&truth.message).await?;
    assert!(!again.dup || again.position == last.position);
    say_gently(&*store).await;
    store.close().await;
    Ok(())
}

async fn say_gently(store: &dyn Log) {
    let _ = store.append(&message("attic", "ada", "hi")).await;
}

async fn a_store_to_damage(path: &Path) -> Truth {
    let store = open(path).unwrap();
    write(&*store, "attic", 5).await;
    write(&*store, "lobby", 299).await;
    let message = message("lobby", "ada", "the last one");
    store.append(&message).await.unwrap();
    let mut entries = Vec::new();
    for after in [0, 200] {
        let page = store.page(&room("lobby"), Range::After(after), 200).await.unwrap();
        entries.extend(page.entries);
    }
    store.close().await;
    Truth { entries, message }
}

/// Turns one byte of a copy over.
fn flip(from: &Path, to: &Path, at: u64) {
    fs::copy(from, to).unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(to).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x55]).unwrap();
}

/// The file's bytes that are not zero: the others are rarely in use.
fn used(path: &Path) -> Vec<u64> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes.iter().zip(0..).filter(|(byte, _)| **byte != 0).map(|(_, at)| at).collect()
}

#[tokio::test]
async fn a_flipped_byte_is_an_error_or_makes_no_difference() {
    let (folder, whole) = folder();
    let damaged = folder.path().join("damaged.redb");
    let truth = a_store_to_damage(&whole).await;
    fs::copy(&whole, &damaged).unwrap();
    look(&damaged, &truth).await.unwrap();
    let used = used(&whole);
    let mut errors = 0;
    let places = 150;
    for n in 0..places {
        let at = used[n * used.len() / places];
        flip(&whole, &damaged, at);
        let looked = AssertUnwindSafe(look(&damaged, &truth)).catch_unwind().await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(_)) => errors += 1,
            Err(panic) => {
                eprintln!("with byte {at} flipped:");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // Most of the file is old copies of pages; but some of this must have hit.
    assert!(errors > places / 10, "only {errors} of {places} were errors");
}

#[tokio::test]
async fn a_flipped_byte_of_an_entry_names_the_room_and_the_number() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    say(&*store, "lobby", "fine").await;
    say(&*store, "lobby", "marked: 0123456789 abcdefghij").await;
    store.close().await;
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let mark = b"marked: 0123456789";
    let found: Vec<_> =
        (0..bytes.len() - mark.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    for at in found {
        bytes[at] = b'M';
    }
    fs::write(&path, bytes).unwrap();
    let store = open(&path).unwrap();
    let error = store.page(&room("lobby"), Range::Newest, 10).await.unwrap_err();
    let Error::Internal(cause) = error else { panic!("{error:?}") };
    let says = format!("{cause:#}");
    assert!(says.contains("room lobby, seq 2"), "{says}");
    // What is sound is still read.
    let page = store.page(&room("lobby"), Range::Before(2), 10).await.unwrap();
    assert_eq!(numbers(&page), [1]);
}

/// Appends until it is killed, and prints each number once it is acked. Run by the test below.
#[tokio::test]
#[ignore = "the child of what_was_acked_outlives_a_kill"]
#[expect(clippy::disallowed_methods, reason = "how the parent names the file")]
async fn victim() {
    let Ok(path) = std::env::var(VICTIM) else { return };
    let store = open(Path::new(&path)).unwrap();
    loop {
        let appended = say(&*store, "lobby", "hi").await;
        let mut out = std::io::stdout();
        writeln!(out, "acked {}", appended.position.seq).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_acked_outlives_a_kill() {
    use std::io::{BufRead as _, BufReader};
    let (_folder, path) = folder();
    let mut last = 0;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["embedded::victim", "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acked = || {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("acked "))?;
            line.rsplit(' ').next()?.parse::<u64>().ok()
        };
        while last < round * 40 {
            last = acked().expect("the child died");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        last = std::iter::from_fn(&mut acked).last().unwrap_or(last);
        let store = open(&path).unwrap();
        let head = head(&*store, "lobby").await.unwrap();
        // One more may have been committed, but not acked.
        assert!((last..=last + 1).contains(&head.seq), "acked {last}, kept {}", head.seq);
        let page = store.page(&room("lobby"), Range::Newest, 200).await.unwrap();
        assert_eq!(page.entries.last().unwrap().position.seq, head.seq);
    }
}
