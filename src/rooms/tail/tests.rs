//! What a tail says is what the log itself says, for whatever is asked.
use super::*;
use crate::{
    adapter::local::LocalAdapter,
    clock,
    config::Config,
    domain::{
        id::{ConnectionId, Epoch, RoomId},
        message::{Author, Message, Terms},
        position::Position,
        presence::Person,
    },
    store::{
        embedded::EmbeddedStore,
        log::{Log, Range},
    },
};

const RULES: Retention = Retention { messages: 30, age: Duration::ZERO };

fn lobby() -> RoomId {
    "lobby".parse().unwrap()
}

fn author() -> Author {
    let person = Person { id: clock::new_guest(), name: None, classic: false };
    let connection: ConnectionId = clock::new_connection();
    Author { person, connection }
}

/// A log in which this many were said, and as many are kept as [`RULES`] say.
async fn log_of(count: u64, text: &str) -> Arc<EmbeddedStore> {
    let mut config = Config::built_in();
    config.store.retention_messages = RULES.messages;
    config.store.retention_age = Duration::ZERO;
    let (adapter, _) = LocalAdapter::new();
    let node = clock::new_node();
    let store = EmbeddedStore::open(None, &config.store, &config.presence, adapter, node).unwrap();
    for _ in 0..count {
        let text = text.to_owned().try_into().unwrap();
        let message = Message {
            room: lobby(),
            mid: clock::new_mid(),
            author: author(),
            text,
            terms: Terms::default(),
        };
        store.append(&message).await.unwrap();
    }
    store
}

/// Read in pages of seven.
async fn tail_of(store: &EmbeddedStore, after: u64) -> Tail {
    let mut page = store.page(&lobby(), Range::After(after), 7).await.unwrap();
    let mut more = page.more_after;
    let mut tail = Tail::of(after, page);
    while more {
        page = store.page(&lobby(), Range::After(tail.last()), 7).await.unwrap();
        more = page.more_after;
        assert!(tail.read_on(page));
    }
    tail
}

fn seen(past: &Past) -> impl PartialEq + std::fmt::Debug + use<> {
    let lies = (past.head.clone(), past.first, past.more_before, past.more_after);
    (seqs(past), lies, past.truncated, past.reset)
}

/// Cursors at a number: with its mid, without, with another one; of no epoch and of another one.
fn cursors(log: &Tail, seq: u64) -> Vec<Cursor> {
    let epoch = log.head().map(|head| head.epoch.clone());
    let there = log.entries.iter().find(|kept| kept.seq() == seq);
    let mid = there.map(|kept| kept.entry.mid.clone());
    let seq = seq.try_into().unwrap();
    let of = |epoch: &Option<Epoch>, mid| Cursor { epoch: epoch.clone(), seq, mid };
    vec![
        of(&epoch, mid),
        of(&epoch, None),
        of(&epoch, Some(clock::new_mid())),
        of(&None, None),
        of(&Some(clock::new_epoch()), None),
    ]
}

#[tokio::test]
async fn it_says_what_the_log_says_or_nothing() {
    for said in [0, 1, 20, 50] {
        let store = log_of(said, "hello").await;
        let mut tails = Vec::new();
        for after in 0..=said {
            tails.push(tail_of(&store, after).await);
        }
        for seq in 0..=said + 2 {
            for limit in [1, 5, 200] {
                for cursor in cursors(&tails[0], seq) {
                    let log = Past::from(store.since(&lobby(), &cursor, limit).await.unwrap());
                    for tail in &tails {
                        let asked = format!("{cursor:?} of {said}, {limit}, from {}", tail.after);
                        let given = tail.give(Want::Since(&cursor), limit, (&RULES, 0));
                        // The cursor and what follows it are here, and so are the newest.
                        let is_here = tail.after < seq && seq <= said && said - tail.after >= 5;
                        assert!(given.is_some() || !is_here || limit > 5, "{asked}");
                        if let Some(given) = given {
                            assert_eq!(seen(&given), seen(&log), "{asked}");
                        }
                    }
                }
                for (want, range) in
                    [(Want::After(seq), Range::After(seq)), (Want::Newest, Range::Newest)]
                {
                    let log = Past::from(store.page(&lobby(), range, limit).await.unwrap());
                    for tail in &tails {
                        let asked = format!("{want:?} of {said}, {limit}, from {}", tail.after);
                        if let Some(given) = tail.give(want, limit, (&RULES, 0)) {
                            assert_eq!(seen(&given), seen(&log), "{asked}");
                        }
                    }
                }
            }
        }
    }
}

fn entry(seq: u64, ts: u64, text: &str) -> Entry {
    Entry {
        room: lobby(),
        position: Position { epoch: "an-epoch".parse().unwrap(), seq },
        ts,
        mid: clock::new_mid(),
        author: author(),
        text: text.to_owned().try_into().unwrap(),
        trace: None,
    }
}

fn head_of(entry: &Entry) -> Head {
    let Position { epoch, seq } = entry.position.clone();
    Head { epoch, seq, mid: Some(entry.mid.clone()) }
}

/// A tail of a log of which everything is here.
fn whole(entries: Vec<Entry>) -> Tail {
    let head = entries.last().map(head_of);
    Tail::of(0, Page { entries, head, first: 1, ..Page::default() })
}

fn seqs(given: &Past) -> Vec<u64> {
    given.entries.iter().map(|entry| entry.position.seq).collect()
}

#[test]
fn what_is_past_its_age_is_gone() {
    let tail = whole((1..=4).map(|seq| entry(seq, seq * 1_000, "x")).collect());
    let rules = Retention { messages: 100, age: Duration::from_secs(2) };
    let page = |now| tail.give(Want::Newest, 10, (&rules, now)).unwrap();

    assert_eq!((seqs(&page(4_500)), page(4_500).first), (vec![3, 4], 3));
    assert_eq!((seqs(&page(9_999)), page(9_999).first), (vec![], 5));
}

#[test]
fn a_page_is_bounded_in_bytes_too_and_has_at_least_one() {
    let large = "\u{1}".repeat(4_000);
    let tail = whole((1..=40).map(|seq| entry(seq, 0, &large)).collect());

    for want in [Want::After(0), Want::Newest] {
        let given = tail.give(want, 200, (&RULES, 0)).unwrap();
        let size: usize = given.entries.iter().map(|e| envelope_of(e).len()).sum();
        assert!(
            given.entries.len() > 5 && size <= LARGEST_PAGE,
            "{} are {size}",
            given.entries.len()
        );
        assert_eq!(given.entries.len(), fitting(tail.entries.iter(), 200).len());
    }
    assert_eq!(seqs(&tail.give(Want::Newest, 1, (&RULES, 0)).unwrap()), [40]);
}

fn envelope_of(entry: &Entry) -> String {
    let Entry { room, mid, author, text, .. } = entry.clone();
    let message = Message { room, mid, author, text, terms: Terms::default() };
    crate::adapter::envelope::entry_tail(&message, None)
}

#[test]
fn what_is_heard_follows_what_was_read_and_what_was_read_too_far_is_let_go() {
    let mut entries: Vec<Entry> = (1..=6).map(|seq| entry(seq, 0, "x")).collect();
    let (fifth, sixth) = (Arc::new(entries[4].clone()), Arc::new(entries[5].clone()));
    entries.pop();
    let mut tail = whole(entries);

    // The room has heard up to the fourth, then the fifth and the sixth.
    let mut at_four = Head { seq: 4, ..head_of(&fifth) };
    at_four.mid = None;
    tail.end_at(at_four);
    let short = tail.last();
    tail.hear(&fifth);
    tail.hear(&sixth);
    tail.hear(&fifth);

    assert_eq!(short, 4);
    let given = tail.give(Want::After(2), 10, (&RULES, 0)).unwrap();
    assert_eq!((seqs(&given), given.head), (vec![3, 4, 5, 6], Some(head_of(&sixth))));
}
