//! What `scripts/page.lua` replies, as a page.
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;

use crate::{
    adapter::envelope,
    domain::{
        id::{MessageId, RoomId},
        message::Entry,
        position::Head,
    },
    error::Result,
    store::log::{LARGEST_PAGE, Page, Range},
};

/// A page before it is cut, and the mid at the number that was asked for.
pub(super) struct Read {
    pub(super) page: Page,
    pub(super) mid_there: Option<MessageId>,
}

/// Reads the reply to `range`.
pub(super) fn read(room: &RoomId, range: Range, reply: Vec<String>) -> Result<Read> {
    let mut parts = reply.into_iter();
    let mut next = || parts.next().ok_or_else(|| anyhow!("a page's reply is too short"));
    let (epoch, head, mid, first, there) = (next()?, next()?, next()?, next()?, next()?);
    let number = |text: &str| text.parse::<u64>().map_err(|_| anyhow!("{text:?} is no seq"));
    let first = number(&first)?;
    if epoch.is_empty() {
        let page = Page { first, ..Page::default() };
        return Ok(Read { page, mid_there: None });
    }
    let seq = number(&head)?;
    let epoch = epoch.parse().map_err(anyhow::Error::from)?;
    let mid_there = entry(room, &there).map(|entry| entry.mid);
    let texts = cut(range, parts.collect());
    let page = Page {
        head: Some(Head { epoch, seq, mid: mid.parse().ok() }),
        first,
        more_before: more_before(range, &texts, first, seq),
        more_after: more_after(range, &texts, first, seq),
        entries: texts.iter().filter_map(|text| entry(room, text)).collect(),
    };
    Ok(Read { page, mid_there })
}

/// One stored entry. One that this release cannot read is left out: a hole, not a failure.
fn entry(room: &RoomId, text: &str) -> Option<Entry> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if text.is_empty() {
        return None;
    }
    match envelope::read_entry(room, text) {
        Ok(entry) => Some(entry),
        Err(error) => {
            if !SAID.swap(true, Ordering::Relaxed) {
                tracing::warn!(%room, %error, "the log has entries that this release cannot read");
            }
            None
        }
    }
}

/// The number in an envelope, whatever its version.
fn seq_of(text: &str) -> Option<u64> {
    text.split(' ').nth(2)?.parse().ok()
}

fn more_before(range: Range, texts: &[String], first: u64, head: u64) -> bool {
    match (texts.first().and_then(|text| seq_of(text)), range) {
        (Some(seq), _) => seq > first,
        (None, Range::After(seq)) => first <= seq.min(head),
        (None, Range::Around(seq)) => first < seq && first <= head,
        (None, Range::Newest | Range::Before(_)) => false,
    }
}

fn more_after(range: Range, texts: &[String], first: u64, head: u64) -> bool {
    match (texts.last().and_then(|text| seq_of(text)), range) {
        (Some(seq), _) => seq < head,
        (None, Range::Before(seq)) => seq <= head && first <= head,
        (None, Range::Newest | Range::After(_) | Range::Around(_)) => false,
    }
}

/// Takes away what is over [`LARGEST_PAGE`], from the end that `range` cares for less.
fn cut(range: Range, mut texts: Vec<String>) -> Vec<String> {
    let mut size: usize = texts.iter().map(String::len).sum();
    let mut from = 0;
    while size > LARGEST_PAGE && texts.len() - from > 1 {
        let drop_front = match range {
            Range::Newest | Range::Before(_) => true,
            Range::After(_) => false,
            Range::Around(seq) => {
                let far = |text: Option<&String>| {
                    text.and_then(|text| seq_of(text)).map_or(0, |there| there.abs_diff(seq))
                };
                far(texts.get(from)) > far(texts.last())
            }
        };
        if drop_front {
            size -= texts[from].len();
            from += 1;
        } else {
            size -= texts.pop().map_or(0, |text| text.len());
        }
    }
    texts.drain(..from);
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(seqs: std::ops::RangeInclusive<u64>, size: usize) -> Vec<String> {
        seqs.map(|seq| format!("e1 epoch234 {seq} 1 {}", "x".repeat(size))).collect()
    }

    fn seqs(texts: &[String]) -> Vec<u64> {
        texts.iter().filter_map(|text| seq_of(text)).collect()
    }

    #[test]
    fn too_many_bytes_are_cut_from_the_far_end() {
        let fat = LARGEST_PAGE / 3;
        assert_eq!(seqs(&cut(Range::Newest, log_of(1..=5, fat))), [4, 5]);
        assert_eq!(seqs(&cut(Range::After(0), log_of(1..=5, fat))), [1, 2]);
        assert_eq!(seqs(&cut(Range::Around(3), log_of(1..=5, fat))), [2, 3]);
        let one = cut(Range::Newest, log_of(1..=1, LARGEST_PAGE * 2));
        assert_eq!(seqs(&one), [1], "at least one, however large");
        assert_eq!(seqs(&cut(Range::Newest, log_of(1..=200, 10))).len(), 200);
    }

    #[test]
    fn an_empty_page_still_knows_what_lies_around_it() {
        assert!(more_before(Range::After(9), &[], 3, 9));
        assert!(!more_after(Range::After(9), &[], 3, 9));
        assert!(more_after(Range::Before(3), &[], 3, 9));
        assert!(!more_before(Range::Before(3), &[], 3, 9));
        assert!(!more_after(Range::Newest, &[], 10, 9), "all of it is past its age");
    }
}
