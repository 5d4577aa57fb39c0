//! A sign of life for a client whose own is stuck behind what it has said.
//!
//! The library takes only a pong for a sign of life, and a pong waits its turn behind every event
//! that was sent before it. While we make a client wait (its queue is full, so reading pauses), we
//! put a pong between two of its frames ourselves; the official server, too, takes any packet for
//! a sign of life. A peer that is really gone is noticed by `server.user_timeout`.
use std::time::{Duration, Instant};

use super::frames::Frames;

/// A masked WebSocket text frame (its key is zero) with an Engine.IO pong in it.
pub(super) const PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];

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
    /// It has been made to wait since the last sign.
    waited: bool,
    last: Instant,
    every: Duration,
}

impl LifeSign {
    /// From the first byte after the upgrade.
    pub(super) fn new(every: Duration) -> Self {
        Self { waited: false, last: Instant::now(), every }
    }

    pub(super) fn made_to_wait(&mut self) {
        self.waited = true;
    }

    /// When a client that is made to wait needs the next sign.
    pub(super) fn due_at(&self) -> Instant {
        self.last + self.every
    }

    /// `frames`: where in its frames the stream is.
    pub(super) fn next(&self, frames: &Frames, now: Instant) -> Next {
        if !self.waited || now < self.due_at() {
            Next::Read
        } else if frames.is_between() {
            Next::Pong
        } else {
            Next::ReadAtMost(frames.to_end())
        }
    }

    pub(super) fn given(&mut self, now: Instant) {
        self.last = now;
        self.waited = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::frames::tests::{MASKED, frame};

    #[test]
    fn a_pong_is_put_in_only_for_who_was_made_to_wait_and_at_a_frames_end() {
        let every = Duration::from_secs(5);
        let (mut sign, mut frames) = (LifeSign::new(every), Frames::default());
        let later = Instant::now() + every * 2;

        assert_eq!(sign.next(&frames, later), Next::Read);
        sign.made_to_wait();
        assert_eq!(sign.next(&frames, later), Next::Pong);
        frames.follow(&frame(0x81, MASKED, 100)[..50], |_| ());
        assert_eq!(sign.next(&frames, later), Next::ReadAtMost(56));
        sign.given(later);
        assert_eq!(sign.next(&frames, later + every), Next::Read);
    }
}
