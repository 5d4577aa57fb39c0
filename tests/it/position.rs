//! Properties of the domain's rules: readers that miss nothing, cursors against a model, and
//! texts that are read as they were written.
use std::collections::BTreeMap;

use hubbub::domain::{
    id::{ConnectionId, Epoch, MessageId, NodeId, RoomId, UserId},
    message::{Draft, MessageText},
    position::{
        Continuity, Cursor, Head, LAST_SEQ, Position, ResetReason, Seq, Span, Track, Verdict,
        continuity,
    },
    room::{ONLINE_PARTS, Place},
};
use proptest::prelude::*;

fn epoch(name: &str) -> Epoch {
    format!("epoch-{name}").parse().unwrap()
}

/// What stands at a number of the log called `log`.
fn mid(log: &str, seq: u64) -> MessageId {
    format!("mid-{log}-{seq:016}").parse().unwrap()
}

fn at(seq: u64) -> Position {
    Position { epoch: epoch("one"), seq }
}

/// A node that reads as the rule says; it may always read the log, up to `head`.
#[derive(Default)]
struct Reader {
    track: Track,
    delivered: Vec<u64>,
}

impl Reader {
    fn deliver(&mut self, seq: u64) {
        self.track.advance(&at(seq), &mid("a", seq));
        self.delivered.push(seq);
    }

    /// `seq` arrives while the log ends at `head`.
    fn hear(&mut self, seq: u64, head: u64) -> Verdict {
        let verdict = self.track.judge(&at(seq), &mid("a", seq));
        match verdict {
            Verdict::Deliver => self.deliver(seq),
            Verdict::Gap => self.repair(head),
            Verdict::Drop | Verdict::Doubt | Verdict::NewEpoch => {}
        }
        verdict
    }

    fn repair(&mut self, head: u64) {
        for seq in self.track.last() + 1..=head {
            self.deliver(seq);
        }
    }
}

/// Arrivals of a log of `1..=head`: each some number of times or never, and then shuffled a bit.
fn arrivals() -> impl Strategy<Value = (u64, Vec<u64>)> {
    (1..600_usize).prop_flat_map(|length| {
        let copies = prop::collection::vec(prop::sample::select(vec![0, 1, 1, 1, 1, 2, 3]), length);
        let jitter = prop::collection::vec(0..40_u64, length * 3);
        (Just(length as u64), copies, jitter).prop_map(|(head, copies, jitter)| {
            let arrivals = (1..=head).zip(copies).flat_map(|(seq, n)| std::iter::repeat_n(seq, n));
            let mut late: Vec<_> =
                arrivals.zip(jitter).map(|(seq, by)| (seq + by * by / 40, seq)).collect();
            late.sort_by_key(|(when, _)| *when);
            (head, late.into_iter().map(|(_, seq)| seq).collect())
        })
    })
}

proptest! {
    #[test]
    fn a_reader_delivers_each_number_once_and_in_order((head, arrivals) in arrivals()) {
        let mut reader = Reader::default();
        let mut log = 0;
        for seq in arrivals {
            // Whatever arrives has been appended before.
            log = log.max(seq);
            let before = reader.track.last();
            let verdict = reader.hear(seq, log);
            match verdict {
                Verdict::Drop | Verdict::Doubt => prop_assert!(seq <= before),
                Verdict::Deliver => prop_assert_eq!(seq, before + 1),
                Verdict::Gap => prop_assert!(seq > before + 1),
                Verdict::NewEpoch => prop_assert!(false, "the epoch is the same"),
            }
            // A repeat is known for one as long as it is remembered.
            if verdict == Verdict::Doubt {
                prop_assert!(before - seq >= 255, "{} was forgotten at {}", seq, before);
            }
        }
        // The beacon shows what was lost at the end.
        reader.repair(head);
        prop_assert_eq!(reader.delivered, (1..=head).collect::<Vec<_>>());
        prop_assert_eq!(reader.track.last_mid(), Some(&mid("a", head)));
    }

    #[test]
    fn another_log_under_the_same_numbers_is_never_taken_for_the_same(
        head in 1..400_u64,
        seq in 1..400_u64,
    ) {
        let mut reader = Reader::default();
        reader.repair(head);
        let verdict = reader.track.judge(&at(seq), &mid("b", seq));
        prop_assert_ne!(verdict, Verdict::Drop);
        let elsewhere = Position { epoch: epoch("two"), seq };
        prop_assert_eq!(reader.track.judge(&elsewhere, &mid("a", seq)), Verdict::NewEpoch);
    }

    #[test]
    fn who_begins_in_an_unwritten_room_takes_only_its_first_entry(seq in 1..1_000_u64) {
        let track = Track::at(None);
        let expected = if seq == 1 { Verdict::Deliver } else { Verdict::Gap };
        prop_assert_eq!(track.judge(&at(seq), &mid("a", seq)), expected);
    }
}

/// A log of the epoch one, of which what is before `first` is gone.
#[derive(Debug, Clone)]
struct Model {
    head: u64,
    first: u64,
}

/// What a client has seen: this much, of this log, under this epoch; and whether it knows the mid.
#[derive(Debug, Clone)]
struct Seen {
    epoch: Option<&'static str>,
    log: &'static str,
    seq: u64,
    knows_mid: bool,
}

fn models() -> impl Strategy<Value = (Model, Seen)> {
    let model = (1..30_u64)
        .prop_flat_map(|head| (Just(head), 1..=head + 1))
        .prop_map(|(head, first)| Model { head, first });
    let epochs = prop::sample::select(vec![None, Some("one"), Some("one"), Some("two")]);
    let logs = prop::sample::select(vec!["a", "b"]);
    let seen = (epochs, logs, 0..35_u64, any::<bool>())
        .prop_map(|(epoch, log, seq, knows_mid)| Seen { epoch, log, seq, knows_mid });
    (model, seen)
}

/// The rule in the contract's words, by what the client would end up with.
fn expected(model: &Model, seen: &Seen) -> Continuity {
    let nothing_seen = seen.seq == 0;
    match seen.epoch {
        Some("one") => {}
        None if nothing_seen => {}
        _ => return Continuity::Reset(ResetReason::EpochChanged),
    }
    if seen.seq > model.head {
        return Continuity::Reset(ResetReason::RolledBack);
    }
    // The head's mid outlives the head.
    let is_known = seen.seq == model.head || seen.seq >= model.first;
    if !nothing_seen && seen.knows_mid && is_known && seen.log != "a" {
        return Continuity::Reset(ResetReason::Diverged);
    }
    let needs: BTreeMap<u64, bool> =
        (seen.seq + 1..=model.head).map(|seq| (seq, seq >= model.first)).collect();
    if needs.values().all(|is_kept| *is_kept) {
        Continuity::Continuous
    } else {
        Continuity::Truncated
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn who_comes_back_is_judged_as_the_contract_says((model, seen) in models()) {
        let head =
            Head { epoch: epoch("one"), seq: model.head, mid: Some(mid("a", model.head)) };
        let is_kept = (model.first..=model.head).contains(&seen.seq);
        let mid_there = is_kept.then(|| mid("a", seen.seq));
        let cursor = Cursor {
            epoch: seen.epoch.map(epoch),
            seq: seen.seq.try_into().unwrap(),
            mid: (seen.knows_mid && seen.seq > 0).then(|| mid(seen.log, seen.seq)),
        };
        let span = Span { head: &head, first: model.first, mid_there: mid_there.as_ref() };
        prop_assert_eq!(continuity(&cursor, &span), expected(&model, &seen));
    }
}

/// What a type's text is read as again.
fn again<T: std::str::FromStr + ToString>(id: &T) -> Option<T> {
    id.to_string().parse().ok()
}

proptest! {
    #[test]
    fn ids_are_read_as_they_are_written(
        room in "[a-z0-9][a-z0-9_-]{0,63}",
        plain in "[A-Za-z0-9_-]{16,32}",
    ) {
        let room: RoomId = room.parse().unwrap();
        prop_assert_eq!(again(&room), Some(room.clone()));
        let json = serde_json::to_string(&room).unwrap();
        prop_assert_eq!(serde_json::from_str::<RoomId>(&json).unwrap(), room.clone());
        prop_assert_eq!(Place::from_key(&Place::Room(room.clone()).key()), Some(Place::Room(room)));

        let user: UserId = plain.parse().unwrap();
        let part = Place::online(&user);
        prop_assert!(matches!(part, Place::Online(part) if part < ONLINE_PARTS));
        prop_assert_eq!(Place::from_key(&part.key()), Some(part));
        prop_assert_eq!(again(&user), Some(user));
        let mid: MessageId = plain.parse().unwrap();
        prop_assert_eq!(again(&mid), Some(mid));
        let epoch: Epoch = plain.parse().unwrap();
        prop_assert_eq!(again(&epoch), Some(epoch));
        let node: NodeId = plain.parse().unwrap();
        prop_assert_eq!(again(&node), Some(node));
        let connection: ConnectionId = plain.parse().unwrap();
        prop_assert_eq!(again(&connection), Some(connection));
    }

    #[test]
    fn whatever_is_no_id_is_refused_and_whatever_is_one_is_safe_in_a_key(
        text in prop_oneof![".{0,70}", "[a-z0-9]{1,16}[:{}~ *_-]{0,2}[a-z]{0,3}"],
    ) {
        if let Ok(room) = text.parse::<RoomId>() {
            prop_assert_eq!(room.as_str(), &text);
            let is_safe = !room.as_str().contains(['{', '}', ':', ' ', '*', '\n', '~']);
            prop_assert!(is_safe);
        }
        if let Ok(mid) = text.parse::<MessageId>() {
            prop_assert!(!mid.as_str().contains(' '));
            let _ = mid.made_at_ms();
        }
    }

    #[test]
    fn a_mid_that_has_a_time_says_it(ms in 0..1_u64 << 48, rest in any::<u128>()) {
        let rest = rest & ((1 << 80) - 1);
        let bits = u128::from(ms) << 80 | rest;
        let hex = format!("{bits:032x}");
        let (time, rest) = (&hex[..12], &hex[13..]);
        let (high, low) = (&time[..8], &time[8..]);
        let uuid = format!("{high}-{low}-7{}-{}-{}", &rest[..3], &rest[3..7], &rest[7..]);
        let uuid: MessageId = uuid.parse().unwrap();
        prop_assert_eq!(uuid.made_at_ms(), Some(ms));
        let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let ulid: String =
            (0..26).rev().map(|n| char::from(digits[(bits >> (n * 5)) as usize & 31])).collect();
        let ulid: MessageId = ulid.parse().unwrap();
        prop_assert_eq!(ulid.made_at_ms(), Some(ms));
    }

    #[test]
    fn texts_are_kept_as_they_were_written(text in any::<String>()) {
        let draft = Draft::try_from(text.clone()).unwrap();
        prop_assert_eq!(draft.as_str(), &text);
        let json = serde_json::to_string(&draft).unwrap();
        prop_assert_eq!(serde_json::from_str::<Draft>(&json).unwrap(), draft.clone());
        // What the native protocol takes is a subset, and none of it is changed.
        if let Ok(native) = MessageText::try_from(text) {
            prop_assert_eq!(Draft::from(native), draft);
        }
    }

    #[test]
    fn a_number_that_javascript_cannot_count_to_is_refused(seq in any::<u64>()) {
        match Seq::try_from(seq) {
            Ok(accepted) => prop_assert!(seq <= LAST_SEQ && accepted.get() == seq),
            Err(_) => prop_assert!(seq > LAST_SEQ),
        }
    }
}
