//! Whatever a client sends, and whatever lies in a log, is an answer and never a panic: mutations of
//! every known bad input, for as long as one likes (`HUBBUB_FUZZ`: seconds).
use std::{
    env,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config as Runs, TestRunner},
};
use serde_json::value::RawValue;

use super::*;
use crate::adapter::envelope;

const ROWS: &str = include_str!("../../../tests/bad_inputs.toml");
/// Pieces that mean something to one decoder or the other.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-1",
    "1e999",
    "9007199254740993",
    "«",
    "\u{202e}",
    "\u{200d}",
    "é",
    " ",
    "e1 ",
    "t1 ",
    "p1 ",
    "m1 ",
    "room",
    "mid",
    "text",
    "__proto__",
    "lobby",
    "\u{1e}",
];

/// For how long; without a word a moment.
fn lasts() -> Duration {
    let given = env::var_os("HUBBUB_FUZZ").and_then(|seconds| seconds.to_str()?.parse().ok());
    given.map_or(Duration::from_millis(300), Duration::from_secs)
}

/// What the rows send, and a good one of each kind.
fn seeds() -> Vec<String> {
    let quoted = ROWS.split('\'').skip(1).step_by(2).map(str::to_owned);
    let good = [
        r#"["message:send",{"room":"lobby","text":"hi","mid":"0190163d-8694-739b-aea5-966c26f8ad91"}]"#,
        r#"["room:join",{"room":"lobby","since":{"epoch":"epoch123","seq":5,"mid":"0190163d-8694-739b"}}]"#,
        r#"["moderation:ban",{"room":"lobby","address":"2001:db8::1","until":99,"reason":"x"}]"#,
        r#"e1 epoch123 7 1700000000000 0190163d-8694-739b {"author":{"id":"ada","connection":"c1"},"text":"hi"}"#,
        r#"p1 {"joined":[{"id":"ada"}],"left":[],"count":1}"#,
        r#"m1 {"at":1,"by":{"id":"ada"},"deed":"ban","room":"lobby","subject":{"address":"::1/64"}}"#,
        r#"t1 [{"to":{"room":"lobby"},"view":1,"event":"typing","args":[{}]}]"#,
    ];
    quoted.chain(good.map(str::to_owned)).collect()
}

/// A seed with a few changes: something cut out, put in, doubled, or another seed's end.
fn mutated() -> impl Strategy<Value = String> {
    let change = (0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let changes = prop::collection::vec((change, prop::sample::select(PIECES)), 0..6);
    let seed = || prop::sample::select(seeds());
    (seed(), seed(), changes).prop_map(|(seed, other, changes)| {
        let mut chars: Vec<char> = seed.chars().collect();
        for ((kind, from, length), piece) in changes {
            let at = from.index(chars.len() + 1);
            let end = at + length.index(chars.len() - at + 1);
            match kind {
                0 => drop(chars.drain(at..end)),
                1 => drop(chars.splice(at..at, piece.chars())),
                2 => {
                    let twice = chars[at..end].to_vec();
                    chars.splice(at..at, twice);
                }
                _ => {
                    chars.truncate(at);
                    chars.extend(other.chars().skip(at));
                }
            }
            chars.truncate(70_000);
        }
        chars.into_iter().collect()
    })
}

fn feed(check: impl Fn(&str)) -> u64 {
    let (begun, strategy) = (Instant::now(), mutated());
    let mut runner = TestRunner::new(Runs::default());
    let mut fed = 0;
    while begun.elapsed() < lasts() {
        check(&strategy.new_tree(&mut runner).unwrap().current());
        fed += 1;
    }
    fed
}

#[test]
fn no_frame_panics_a_decoder_and_nothing_long_is_echoed() {
    fn look<E: ClientEvent>(args: &[&RawValue]) {
        if let Err(error) = decode::<E>(args) {
            let refusal = error.refusal();
            assert!(refusal.message.chars().count() < 400, "{}", refusal.message);
        }
    }
    let fed = feed(|text| {
        let Ok((_, args)) = super::super::pipeline::parse(text) else { return };
        look::<MessageSend>(&args);
        look::<RoomJoin>(&args);
        look::<MessageHistory>(&args);
        look::<PresenceGet>(&args);
        look::<SessionRename>(&args);
        look::<ModerationBan>(&args);
    });
    assert!(fed > 100, "{fed}");
}

#[test]
fn no_envelope_panics_and_what_is_read_is_what_would_be_written() {
    let room = "lobby".parse().unwrap();
    let fed = feed(|text| {
        envelope::read(None, text).ok();
        envelope::read(Some(&room), text).ok();
        if let Ok(entry) = envelope::read_entry(&room, text) {
            let (author, mid) = (entry.author.clone(), entry.mid.clone());
            let message = crate::domain::message::Message {
                room: room.clone(),
                mid,
                author,
                text: entry.text.clone(),
                terms: crate::domain::message::Terms::default(),
            };
            let tail = envelope::entry_tail(&message, None);
            let position = &entry.position;
            let again = envelope::entry(&position.epoch, position.seq, entry.ts, &tail);
            assert_eq!(envelope::read_entry(&room, &again).unwrap(), entry);
        }
    });
    assert!(fed > 100, "{fed}");
}
