//! Reading: pages and their edges, coming back, heads, and the list of rooms.
use hubbub::{
    domain::position::{Cursor, ResetReason},
    store::log::{LARGEST_PAGE, LONGEST_PAGE, Page, Range},
};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*, Opened, Settings},
    words::*,
};

/// A room with ten entries, and what a page of it shows: numbers, more before, more after.
async fn ten(backend: Backend) -> Opened {
    let opened = backend.open().await;
    write(&*opened.node.log, "lobby", 10).await;
    opened
}

async fn page(opened: &Opened, range: Range, limit: usize) -> Page {
    opened.node.log.page(&room("lobby"), range, limit).await.unwrap()
}

fn shown(page: &Page) -> (Vec<u64>, bool, bool) {
    assert_eq!((page.head.as_ref().unwrap().seq, page.first), (10, 1));
    (numbers(page), page.more_before, page.more_after)
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_page_says_exactly_what_lies_before_and_after_it(#[case] backend: Backend) {
    let opened = ten(backend).await;
    for (range, limit, numbers, before, after) in [
        (Range::Newest, 3, vec![8, 9, 10], true, false),
        (Range::Newest, 10, (1..=10).collect(), false, false),
        (Range::Newest, 50, (1..=10).collect(), false, false),
        (Range::Before(8), 3, vec![5, 6, 7], true, true),
        (Range::Before(4), 3, vec![1, 2, 3], false, true),
        (Range::Before(3), 3, vec![1, 2], false, true),
        (Range::Before(11), 2, vec![9, 10], true, false),
        (Range::Before(1), 3, vec![], false, true),
        (Range::After(0), 3, vec![1, 2, 3], false, true),
        (Range::After(3), 3, vec![4, 5, 6], true, true),
        (Range::After(7), 3, vec![8, 9, 10], true, false),
        (Range::After(10), 3, vec![], true, false),
        (Range::Around(5), 4, vec![3, 4, 5, 6], true, true),
    ] {
        let page = page(&opened, range, limit).await;
        assert_eq!(shown(&page), (numbers, before, after), "{range:?}, {limit}");
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_page_around_an_end_holds_that_end(#[case] backend: Backend) {
    let opened = ten(backend).await;
    let first = page(&opened, Range::Around(1), 6).await;
    assert_eq!(numbers(&first)[..3], [1, 2, 3]);
    assert_eq!((first.more_before, first.more_after), (false, true));
    let last = page(&opened, Range::Around(10), 6).await;
    assert_eq!(numbers(&last).last_chunk(), Some(&[8, 9, 10]));
    assert_eq!((last.more_before, last.more_after), (true, false));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_page_holds_no_more_entries_than_the_longest_page(#[case] backend: Backend) {
    let opened = backend.open().await;
    write(&*opened.node.log, "lobby", LONGEST_PAGE as u64 + 5).await;
    for range in [Range::Newest, Range::After(0), Range::Around(100)] {
        let page = page(&opened, range, 100_000).await;
        assert!(page.entries.len() <= LONGEST_PAGE);
        assert!(page.more_before || page.more_after);
    }
    assert_eq!(page(&opened, Range::Newest, 100_000).await.entries.len(), LONGEST_PAGE);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_page_holds_no_more_bytes_than_the_largest_page(#[case] backend: Backend) {
    let opened = backend.open().await;
    // 16 kB each.
    let text = "😀".repeat(4_000);
    for _ in 0..40 {
        say(&*opened.node.log, "lobby", &text).await;
    }
    for (range, before, after) in [
        (Range::Newest, true, false),
        (Range::After(0), false, true),
        (Range::Before(30), true, true),
        (Range::Around(20), true, true),
    ] {
        let page = page(&opened, range, 200).await;
        let bytes: usize = page.entries.iter().map(|entry| entry.text.as_str().len()).sum();
        assert!((LARGEST_PAGE / 2..=LARGEST_PAGE).contains(&bytes), "{range:?}: {bytes}");
        assert_eq!((page.more_before, page.more_after), (before, after), "{range:?}");
        let numbers = numbers(&page);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_room_nobody_has_written_in_is_empty(#[case] backend: Backend) {
    let opened = backend.open().await;
    for range in [Range::Newest, Range::Before(5), Range::After(0), Range::Around(1)] {
        let page = page(&opened, range, 10).await;
        assert_eq!((page.entries.len(), page.head.as_ref(), page.first), (0, None, 1));
        assert_eq!((page.more_before, page.more_after), (false, false));
    }
    let nowhere = Cursor { epoch: None, seq: 0.try_into().unwrap(), mid: None };
    let resumed = opened.node.log.since(&room("lobby"), &nowhere, 10).await.unwrap();
    assert_eq!((resumed.truncated, resumed.reset, resumed.page.head), (false, None, None));
    // Whoever has seen something here has seen a log that is no more.
    let epoch = Some("epoch-of-old".parse().unwrap());
    let stale = Cursor { epoch, seq: 3.try_into().unwrap(), mid: None };
    let resumed = opened.node.log.since(&room("lobby"), &stale, 10).await.unwrap();
    assert_eq!(resumed.reset, Some(ResetReason::EpochChanged));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_comes_back_gets_what_came_after(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mids = write(log, "lobby", 10).await;
    let head = head(log, "lobby").await.unwrap();
    let nowhere = Cursor { epoch: None, seq: 0.try_into().unwrap(), mid: None };
    for (cursor, limit, expected, more) in [
        (cursor(&head, 7, Some(&mids[6])), 50, vec![8, 9, 10], false),
        (cursor(&head, 7, None), 50, vec![8, 9, 10], false),
        (cursor(&head, 7, Some(&mids[6])), 2, vec![8, 9], true),
        (cursor(&head, 10, Some(&mids[9])), 50, vec![], false),
        (cursor(&head, 0, None), 3, vec![1, 2, 3], true),
        (nowhere, 3, vec![1, 2, 3], true),
    ] {
        let resumed = log.since(&room("lobby"), &cursor, limit).await.unwrap();
        assert_eq!((resumed.truncated, resumed.reset), (false, None), "{cursor:?}");
        assert_eq!(numbers(&resumed.page), expected, "{cursor:?}");
        assert_eq!(resumed.page.more_after, more, "{cursor:?}");
        assert_eq!(resumed.page.head.as_ref(), Some(&head));
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_comes_back_with_another_past_is_reset(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mids = write(log, "lobby", 10).await;
    let head = head(log, "lobby").await.unwrap();
    let mut other = cursor(&head, 7, Some(&mids[6]));
    other.epoch = Some("another-epoch".parse().unwrap());
    for (cursor, reason) in [
        (other, ResetReason::EpochChanged),
        (cursor(&head, 11, None), ResetReason::RolledBack),
        (cursor(&head, 7, Some(&mids[2])), ResetReason::Diverged),
        (cursor(&head, 10, Some(&mids[2])), ResetReason::Diverged),
    ] {
        let resumed = log.since(&room("lobby"), &cursor, 3).await.unwrap();
        assert_eq!((resumed.truncated, resumed.reset), (false, Some(reason)), "{cursor:?}");
        assert_eq!(numbers(&resumed.page), [8, 9, 10]);
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_was_away_for_too_long_is_told_so(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.store.retention_messages = 10;
    let opened = backend.open_with(settings).await;
    let log = &*opened.node.log;
    let mids = write(log, "lobby", 350).await;
    let head = head(log, "lobby").await.unwrap();
    let first = page(&opened, Range::Newest, 1).await.first;
    for seq in [0, 1, first - 2] {
        let mid = (seq > 0).then(|| &mids[usize::try_from(seq).unwrap() - 1]);
        let resumed = log.since(&room("lobby"), &cursor(&head, seq, mid), 3).await.unwrap();
        assert_eq!((resumed.truncated, resumed.reset), (true, None), "seq {seq}");
        assert_eq!(numbers(&resumed.page), [348, 349, 350]);
    }
    // The one right before the first kept has missed nothing.
    let resumed = log.since(&room("lobby"), &cursor(&head, first - 1, None), 3).await.unwrap();
    assert_eq!((resumed.truncated, resumed.reset), (false, None));
    assert_eq!(numbers(&resumed.page)[0], first);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn heads_come_in_the_order_asked(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mids = write(log, "one", 3).await;
    write(log, "two", 1).await;
    let asked = [room("two"), room("none"), room("one"), room("two")];
    let heads = log.heads(&asked).await.unwrap();
    let numbers: Vec<_> = heads.iter().map(|head| head.as_ref().map(|head| head.seq)).collect();
    assert_eq!(numbers, [Some(1), None, Some(3), Some(1)]);
    assert_eq!(heads[2].as_ref().unwrap().mid.as_ref(), mids.last());
    assert_eq!(log.heads(&[]).await.unwrap(), []);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn the_mid_at_a_number_is_the_one_that_stands_there(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mids = write(log, "lobby", 3).await;
    for seq in 0..=4_usize {
        let expected = seq.checked_sub(1).and_then(|index| mids.get(index));
        let mid = log.mid_at(&room("lobby"), seq as u64).await.unwrap();
        assert_eq!(mid.as_ref(), expected, "seq {seq}");
    }
    assert_eq!(log.mid_at(&room("attic"), 1).await.unwrap(), None);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn rooms_are_listed_by_id_a_page_at_a_time(#[case] backend: Backend) {
    let opened = backend.open().await;
    let log = &*opened.node.log;
    let mut all: Vec<_> = (0..25).map(|n| room(&format!("r{:02}", n * 7 % 25))).collect();
    for room in &all {
        write(log, room.as_str(), 1).await;
    }
    // Entering is not writing.
    opened.node.members.enter(&place("quiet"), &member("ada-1", "ada")).await.unwrap();
    all.sort();
    let mut listed = Vec::new();
    loop {
        let page = log.rooms(listed.last(), 10).await.unwrap();
        assert!(page.len() <= 10 && listed.len() <= all.len());
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed, all);
}
