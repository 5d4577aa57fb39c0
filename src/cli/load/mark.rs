//! The mark in every message of a run, by which its deliveries are recognised: also a valid mid.
//!
//! `ld` · run (6) · number (8) · stream (2) · room (4) · slot (4) · due (9): fixed widths, numbers
//! in hex. A stream is a worker process; the number counts its messages in that room, without gaps.
use memchr::memmem::Finder;

const RUN: usize = 6;
const TAG: usize = 2 + RUN;
const FIELDS: [usize; 5] = [8, 2, 4, 4, 9];
/// How long a mark is.
pub(super) const LENGTH: usize = TAG + 8 + 2 + 4 + 4 + 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u32,
    pub(super) stream: u8,
    pub(super) room: u16,
    /// Which of the stream's senders in the room.
    pub(super) slot: u16,
    /// When it was due, in microseconds of the run.
    pub(super) due: u64,
}

/// Writes and finds the marks of one run.
pub(super) struct Marks {
    tag: [u8; TAG],
    finder: Finder<'static>,
}

impl Marks {
    /// `run`: letters and digits that no other run has.
    pub(super) fn new(run: &str) -> Self {
        let mut tag = *b"ld000000";
        for (to, from) in tag[2..].iter_mut().zip(run.bytes()) {
            *to = from;
        }
        Self { tag, finder: Finder::new(&tag).into_owned() }
    }

    pub(super) fn write(&self, mark: &Mark, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tag);
        let numbers = [
            u64::from(mark.number),
            u64::from(mark.stream),
            u64::from(mark.room),
            u64::from(mark.slot),
            mark.due,
        ];
        for (number, width) in numbers.into_iter().zip(FIELDS) {
            for place in (0..width).rev() {
                let digit = (number >> (4 * place)) & 0xf;
                out.push(b"0123456789abcdef"[usize::try_from(digit).unwrap_or(0)]);
            }
        }
    }

    /// The first mark in a text, and where it begins.
    pub(super) fn find(&self, text: &[u8]) -> Option<(Mark, usize)> {
        let at = self.finder.find(text)?;
        let mut rest = text.get(at + TAG..at + LENGTH)?;
        let mut numbers = [0_u64; FIELDS.len()];
        for (number, width) in numbers.iter_mut().zip(FIELDS) {
            let (digits, after) = rest.split_at(width);
            rest = after;
            for digit in digits {
                *number = *number << 4 | u64::from(hex(*digit)?);
            }
        }
        let mark = Mark {
            number: u32::try_from(numbers[0]).ok()?,
            stream: u8::try_from(numbers[1]).ok()?,
            room: u16::try_from(numbers[2]).ok()?,
            slot: u16::try_from(numbers[3]).ok()?,
            due: numbers[4],
        };
        Some((mark, at))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark =
        Mark { number: 0xdead_beef, stream: 7, room: 500, slot: 9_999, due: 68_000_000_000 };

    #[test]
    fn a_mark_is_found_again_in_any_text_and_is_a_valid_mid() {
        let marks = Marks::new("abc123");
        let mut text = b"42[\"chat message\",\"".to_vec();
        let start = text.len();
        marks.write(&MARK, &mut text);
        let mid = String::from_utf8(text[start..].to_vec()).unwrap();
        text.extend_from_slice(b" and more\"]");

        assert_eq!(marks.find(&text), Some((MARK, start)));
        assert_eq!(mid.len(), LENGTH);
        assert!(mid.parse::<crate::domain::id::MessageId>().is_ok(), "{mid}");
    }

    #[test]
    fn another_runs_mark_and_half_a_mark_are_none() {
        let mut text = Vec::new();
        Marks::new("abc123").write(&MARK, &mut text);

        assert_eq!(Marks::new("abc124").find(&text), None);
        assert_eq!(Marks::new("abc123").find(&text[..LENGTH - 1]), None);
        text[20] = b'!';
        assert_eq!(Marks::new("abc123").find(&text), None);
    }
}
