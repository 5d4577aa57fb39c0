//! Writing: numbers, retries, what is told, and what retention leaves.
use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use hubbub::{adapter::Topic, domain::message::Message, error::Error};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*, Settings},
    words::*,
};
use hubbub::store::log::Range;

/// A time that ends within a test, and not before a few commits on a busy machine are done.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn numbers_begin_at_one_and_rise_by_one_in_each_room(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    for seq in 1..=5 {
        let (one, two) = (say(log, "one", "hi").await, say(log, "two", "hi").await);
        assert_eq!((one.position.seq, two.position.seq), (seq, seq));
        assert_ne!(one.position.epoch, two.position.epoch);
        assert!(!one.dup);
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn what_was_appended_is_read_back_as_it_was(#[case] backend: Backend) {
    let opened = backend.open().await;
    let sent = message("lobby", "ada", "héllo \n\"wörld\" 😀 \u{202e} \\ e1 ");
    let appended = opened.node.log.append(&sent).await.unwrap();
    let page = opened.node.log.page(&sent.room, Range::Newest, 10).await.unwrap();
    let [entry] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((&entry.position, entry.ts), (&appended.position, appended.ts));
    let Message { room, mid, author, text, .. } = sent;
    assert_eq!(
        (&entry.room, &entry.mid, &entry.author, &entry.text),
        (&room, &mid, &author, &text)
    );
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_retry_is_recognised_and_appends_nothing(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let first = message("lobby", "ada", "once");
    let appended = log.append(&first).await.unwrap();
    say(log, "lobby", "between").await;
    let again = log.append(&first).await.unwrap();
    assert!(again.dup);
    assert_eq!((again.position, again.ts), (appended.position, appended.ts));
    assert_eq!(head(log, "lobby").await.unwrap().seq, 2);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn retries_at_the_same_time_append_once(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let sent = message("lobby", "ada", "once");
    let all = join_all((0..20).map(|_| log.append(&sent))).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|appended| appended.position.seq == 1));
    assert_eq!(all.iter().filter(|appended| !appended.dup).count(), 1);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_mid_used_again_for_another_text_is_a_conflict(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let first = message("lobby", "ada", "this");
    log.append(&first).await.unwrap();
    let other = under(first.mid.as_str(), &message("lobby", "ada", "that"));
    assert!(matches!(log.append(&other).await, Err(Error::IdempotencyConflict)));
    assert_eq!(head(log, "lobby").await.unwrap().seq, 1);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn the_same_mid_of_another_author_or_in_another_room_is_another_message(
    #[case] backend: Backend,
) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mid = "0123456789-0123456789";
    for (place, author, seq) in [("lobby", "ada", 1), ("lobby", "bob", 2), ("attic", "ada", 1)] {
        let appended = log.append(&under(mid, &message(place, author, "hi"))).await.unwrap();
        assert_eq!((appended.dup, appended.position.seq), (false, seq));
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_retry_is_recognised_only_for_the_configured_time(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.store.idempotency = LONG_ENOUGH;
    let opened = backend.open_with(settings).await;
    let log = &*opened.node.log;
    let (dated, undated) = (message("lobby", "ada", "a"), message("lobby", "ada", "b"));
    let undated = under("no-time-in-this-mid", &undated);
    for message in [&dated, &undated] {
        log.append(message).await.unwrap();
        assert!(log.append(message).await.unwrap().dup);
    }
    // A mid that says when it was made is refused for ever after; another is new again.
    eventually(|| async { log.append(&dated).await.is_err().then_some(()) }).await;
    assert!(matches!(log.append(&dated).await, Err(Error::Expired)));
    let again = eventually(|| async { log.append(&undated).await.ok().filter(|a| !a.dup) }).await;
    assert_eq!(again.position.seq, 3);
    assert!(log.append(&undated).await.unwrap().dup);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_mid_made_long_ago_is_expired(#[case] backend: Backend) {
    let opened = backend.open().await;
    for old in ["01890000-0000-7000-8000-000000000000", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        let result = opened.node.log.append(&under(old, &message("lobby", "ada", "hi"))).await;
        assert!(matches!(result, Err(Error::Expired)), "{result:?}");
    }
    assert_eq!(head(&*opened.node.log, "lobby").await, None);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn what_many_append_at_once_is_heard_once_each_in_the_order_of_its_numbers(
    #[case] backend: Backend,
) {
    const WRITERS: u64 = 20;
    const EACH: u64 = 15;
    let mut opened = backend.open().await;
    let log = opened.node.log.clone();
    let _listening = opened.node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let mids = join_all((0..WRITERS).map(|_| write(&*log, "lobby", EACH))).await.concat();
    let mut heard = Vec::new();
    for seq in 1..=WRITERS * EACH {
        let entry = next_entry(&mut opened.node.hearing).await;
        assert_eq!(entry.position.seq, seq);
        heard.push(entry);
    }
    let told: HashSet<_> = heard.iter().map(|entry| entry.mid.clone()).collect();
    assert_eq!(told, mids.iter().cloned().collect());
    // The log says the same, and nothing is told twice: the next thing heard is new.
    let page = log.page(&room("lobby"), Range::After(0), 200).await.unwrap();
    assert_eq!(page.entries, heard[..200]);
    let last = say(&*log, "lobby", "last").await;
    assert_eq!(next_entry(&mut opened.node.hearing).await.position, last.position);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_retry_is_not_told_again(#[case] backend: Backend) {
    let mut opened = backend.open().await;
    let log = &*opened.node.log;
    let _listening = opened.node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let sent = message("lobby", "ada", "once");
    let first = log.append(&sent).await.unwrap();
    log.append(&sent).await.unwrap();
    let next = log.append(&message("lobby", "ada", "next")).await.unwrap();
    for appended in [first, next] {
        let heard = next_entry(&mut opened.node.hearing).await;
        assert_eq!((heard.position, heard.ts), (appended.position, appended.ts));
    }
    assert_eq!(head(log, "lobby").await.unwrap().seq, 2);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn retention_by_count_takes_from_the_front_only(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.store.retention_messages = 10;
    let opened = backend.open_with(settings).await;
    let log = &*opened.node.log;
    // Many more than are kept: a backend may trim in blocks.
    let mids = write(log, "lobby", 350).await;
    let page = log.page(&room("lobby"), Range::After(0), 200).await.unwrap();
    assert!((2..=341).contains(&page.first), "first is {}", page.first);
    assert_eq!(numbers(&page)[0], page.first);
    assert!(!page.more_before);
    assert_eq!(log.mid_at(&room("lobby"), page.first - 1).await.unwrap(), None);
    let newest = log.page(&room("lobby"), Range::Newest, 10).await.unwrap();
    assert_eq!(numbers(&newest), (341..=350).collect::<Vec<_>>());
    let kept: Vec<_> = newest.entries.into_iter().map(|entry| entry.mid).collect();
    assert_eq!(kept, mids[340..]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn what_is_past_its_age_is_not_read_and_the_head_stays(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.store.retention_age = LONG_ENOUGH;
    let opened = backend.open_with(settings).await;
    let log = &*opened.node.log;
    let lobby = room("lobby");
    let mids = write(log, "lobby", 3).await;
    let page = log.page(&lobby, Range::Newest, 10).await.unwrap();
    assert_eq!((numbers(&page), page.first), (vec![1, 2, 3], 1));

    let page = eventually(|| async {
        let page = log.page(&lobby, Range::Newest, 10).await.unwrap();
        page.entries.is_empty().then_some(page)
    })
    .await;
    assert_eq!((page.first, page.more_before, page.more_after), (4, false, false));
    let head = page.head.unwrap();
    assert_eq!((head.seq, head.mid.as_ref()), (3, Some(&mids[2])));
    assert_eq!(log.mid_at(&lobby, 3).await.unwrap(), None);
    // Who has seen the last one has missed nothing; who has not, has.
    let at_head = log.since(&lobby, &cursor(&head, 3, Some(&mids[2])), 10).await.unwrap();
    assert_eq!((at_head.truncated, at_head.reset), (false, None));
    let behind = log.since(&lobby, &cursor(&head, 1, Some(&mids[0])), 10).await.unwrap();
    assert_eq!((behind.truncated, behind.reset), (true, None));
    // Numbers go on, and what is new is kept.
    assert_eq!(say(log, "lobby", "new").await.position.seq, 4);
    let page = log.page(&lobby, Range::Newest, 10).await.unwrap();
    assert_eq!((numbers(&page), page.first), (vec![4], 4));
}
