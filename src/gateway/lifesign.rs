//! A sign of life for a client whose own is stuck behind what it has said.
//!
//! The library takes only a pong for a sign of life, and a pong waits its turn behind every event
//! that was sent before it. While we make a client wait (its queue is full, so reading pauses), we
//! put a pong between two of its frames ourselves; the official server, too, takes any packet for
//! a sign of life. A peer that is really gone is noticed by `server.user_timeout`.
use std::time::{Duration, Instant};

/// A masked WebSocket text frame (its key is zero) with an Engine.IO pong in it.
pub(super) const PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];

/// The longest frame header a client sends: two bytes, eight of length, four of mask.
const LONGEST_HEADER: usize = 14;

/// Follows the frames a client sends, byte by byte, so that something can be put between them.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; LONGEST_HEADER],
    have: usize,
    /// Payload bytes still to come.
    left: u64,
    /// Between the fragments of one message only control frames may stand.
    in_message: bool,
}

impl Frames {
    fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.in_message
    }

    fn header_length(&self) -> usize {
        match self.header[1] & 0x7f {
            _ if self.have < 2 => 2,
            126 => 2 + 2 + 4,
            127 => 2 + 8 + 4,
            _ => 2 + 4,
        }
    }

    /// How much may be read without reading past the end of the frame.
    fn to_end(&self) -> usize {
        if self.left > 0 {
            usize::try_from(self.left).unwrap_or(usize::MAX)
        } else {
            self.header_length() - self.have
        }
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = bytes.len().min(self.to_end());
            let (now, later) = bytes.split_at(take);
            if self.left > 0 {
                self.left -= take as u64;
            } else {
                self.header[self.have..self.have + take].copy_from_slice(now);
                self.have += take;
                if self.have > 2 && self.have == self.header_length() {
                    self.header_is_complete();
                }
            }
            bytes = later;
        }
    }

    fn header_is_complete(&mut self) {
        let long = |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b));
        self.left = match self.header[1] & 0x7f {
            126 => long(&self.header[2..4]),
            127 => long(&self.header[2..10]),
            short => u64::from(short),
        };
        let is_control = self.header[0] & 0x08 != 0;
        if !is_control {
            self.in_message = self.header[0] & 0x80 == 0;
        }
        self.have = 0;
    }
}

/// What to do with the next read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Whatever comes.
    Read,
    /// No more than this, so that the frame's end is met.
    ReadAtMost(usize),
    /// Nothing: a pong is due, and here is the place for it.
    Pong,
}

/// Decides when a pong is put in.
#[derive(Debug)]
pub(super) struct LifeSign {
    frames: Frames,
    /// It has been made to wait since the last sign.
    waited: bool,
    last: Instant,
    every: Duration,
}

impl LifeSign {
    /// From the first byte after the upgrade.
    pub(super) fn new(every: Duration) -> Self {
        Self { frames: Frames::default(), waited: false, last: Instant::now(), every }
    }

    pub(super) fn made_to_wait(&mut self) {
        self.waited = true;
    }

    /// When a client that is made to wait needs the next sign.
    pub(super) fn due_at(&self) -> Instant {
        self.last + self.every
    }

    pub(super) fn next(&self, now: Instant) -> Next {
        if !self.waited || now < self.due_at() {
            Next::Read
        } else if self.frames.is_between() {
            Next::Pong
        } else {
            Next::ReadAtMost(self.frames.to_end())
        }
    }

    pub(super) fn given(&mut self, now: Instant) {
        self.last = now;
        self.waited = false;
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.frames.read(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASKED: u8 = 0x80;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..=125 => frame.push(MASKED | u8::try_from(payload).unwrap()),
            126..=65_535 => {
                frame.push(MASKED + 126);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(MASKED + 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([7; 4]);
        frame.extend(vec![0; payload]);
        frame
    }

    #[test]
    fn frames_of_every_length_end_where_they_end_however_they_are_cut() {
        for cut in [1, 2, 3, 7, 4_096] {
            let mut frames = Frames::default();
            for payload in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000] {
                let bytes = frame(0x81, payload);
                let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
                for (n, piece) in pieces.iter().enumerate() {
                    assert_eq!(frames.is_between(), n == 0, "{payload} bytes by {cut}");
                    frames.read(piece);
                }
                assert!(frames.is_between(), "{payload} bytes by {cut}");
            }
        }
    }

    #[test]
    fn nothing_is_put_between_the_fragments_of_a_message() {
        let mut frames = Frames::default();

        frames.read(&frame(0x01, 10));
        assert!(!frames.is_between());
        frames.read(&frame(0x89, 0));
        assert!(!frames.is_between());
        frames.read(&frame(0x80, 10));

        assert!(frames.is_between());
    }

    #[test]
    fn a_pong_is_put_in_only_for_who_was_made_to_wait_and_at_a_frames_end() {
        let every = Duration::from_secs(5);
        let mut sign = LifeSign::new(every);
        let later = Instant::now() + every * 2;

        assert_eq!(sign.next(later), Next::Read);
        sign.made_to_wait();
        assert_eq!(sign.next(later), Next::Pong);
        sign.read(&frame(0x81, 100)[..50]);
        assert_eq!(sign.next(later), Next::ReadAtMost(56));
        sign.given(later);
        assert_eq!(sign.next(later + every), Next::Read);
    }
}
