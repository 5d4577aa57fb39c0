//! Whatever a client sends, and whatever lies in a log, is an answer and never a panic: what each
//! fuzzer feeds, by coverage (`fuzz/`) and here, by mutations of every known bad input for as long as
//! one likes (`HUBBUB_FUZZ`: seconds).
use std::{num::NonZeroU32, time::Instant};

use super::{meter::Meter, pipeline, socket};
use crate::{
    adapter::envelope,
    domain::message::{Message, Terms},
};

const ROWS: &str = include_str!("../../tests/bad_inputs.toml");
/// One good one of each kind.
const GOOD: &[&str] = &[
    r#"["message:send",{"room":"lobby","text":"hi","mid":"0190163d-8694-739b-aea5-966c26f8ad91"}]"#,
    r#"["room:join",{"room":"lobby","since":{"epoch":"epoch123","seq":5,"mid":"0190163d-8694-739b"}}]"#,
    r#"["moderation:ban",{"room":"lobby","address":"2001:db8::1","until":99,"reason":"x"}]"#,
    r#"e1 epoch123 7 1700000000000 0190163d-8694-739b {"author":{"id":"ada","connection":"c1"},"text":"hi"}"#,
    r#"p1 {"joined":[{"id":"ada"}],"left":[],"count":1}"#,
    r#"m1 {"at":1,"by":{"id":"ada"},"deed":"ban","room":"lobby","subject":{"address":"::1/64"}}"#,
    r#"t1 [{"to":{"room":"lobby"},"view":1,"event":"typing","args":[{}]}]"#,
];

/// What the rows of `tests/bad_inputs.toml` send, and a good one of each kind.
pub fn texts() -> Vec<String> {
    let quoted = ROWS.split('\'').skip(1).step_by(2);
    quoted.chain(GOOD.iter().copied()).map(str::to_owned).collect()
}

/// Beginnings of streams: how they are cut, and some frames.
pub fn streams() -> Vec<Vec<u8>> {
    let frames: [&[u8]; 6] = [
        &[0x81, 0x81, 0, 0, 0, 0, b'3'],
        &[0x01, 0x80, 0, 0, 0, 0, 0x80, 0x80, 0, 0, 0, 0],
        &[0x89, 0x80, 1, 2, 3, 4, 0x8a, 0x00],
        &[0x82, 0xfe, 0, 126, 0, 0, 0, 0],
        &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        &[0x88, 0x82, 0, 0, 0, 0, 3, 0xf0],
    ];
    (1..=4).flat_map(|cut| frames.map(|frame| [&[cut], frame].concat())).collect()
}

/// An event as it stands in a frame, for all events.
pub fn event(text: &str) {
    let Ok((_, args)) = pipeline::parse(text) else { return };
    for error in socket::refusals(&args) {
        let refusal = error.refusal();
        assert!(refusal.message.chars().count() < 400, "{}", refusal.message);
    }
}

/// What nodes tell each other, and what lies in a log; what is read is what would be written.
pub fn log_entry(text: &str) {
    let Ok(room) = "lobby".parse() else { return };
    envelope::read(None, text).ok();
    envelope::read(Some(&room), text).ok();
    let Ok(entry) = envelope::read_entry(&room, text) else { return };
    let (author, mid, text) = (entry.author.clone(), entry.mid.clone(), entry.text.clone());
    let message = Message { room: room.clone(), mid, author, text, terms: Terms::default() };
    let tail = envelope::entry_tail(&message, entry.trace);
    let position = &entry.position;
    let again = envelope::entry(&position.epoch, position.seq, entry.ts, &tail);
    assert_eq!(envelope::read_entry(&room, &again).ok(), Some(entry));
}

/// A stream of frames is counted the same however it is cut; the first byte says how.
pub fn stream(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let now = Instant::now();
    let (mut whole, mut pieces) =
        (Meter::new(NonZeroU32::MIN, now), Meter::new(NonZeroU32::MIN, now));
    let at_once = whole.read(bytes, now).is_ok();
    let mut in_pieces = true;
    for piece in bytes.chunks(usize::from(*cut).max(1)) {
        in_pieces &= pieces.read(piece, now).is_ok();
    }
    assert!(whole == pieces, "{whole:?} and {pieces:?}");
    assert_eq!(at_once, in_pieces);
    assert_eq!(whole.frames().is_between(), whole.unfinished_since().is_none());
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        time::{Duration, Instant},
    };

    use proptest::{
        prelude::*,
        strategy::ValueTree,
        test_runner::{Config as Runs, TestRunner},
    };

    use super::*;

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

    /// A seed with a few changes: something cut out, put in, doubled, or another seed's end.
    fn mutated() -> impl Strategy<Value = String> {
        let change = (0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
        let changes = prop::collection::vec((change, prop::sample::select(PIECES)), 0..6);
        let seed = || prop::sample::select(texts());
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
        assert!(feed(event) > 100);
    }

    #[test]
    fn no_envelope_panics_and_what_is_read_is_what_would_be_written() {
        assert!(feed(log_entry) > 100);
    }

    #[test]
    fn no_stream_of_frames_is_counted_differently_when_it_is_cut() {
        for seed in streams() {
            stream(&seed);
        }
        assert!(feed(|text| stream(text.as_bytes())) > 100);
    }
}
