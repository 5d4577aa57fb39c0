//! What a client has to say and no answer to yet: retried under the same mid until it is final.
use std::{collections::VecDeque, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tokio::time::Instant;

use super::words::Refusal;
use crate::records::{Mid, Name};

/// Sends under way at once.
const WINDOW: usize = 8;
/// Letters kept; beyond them the client falls silent until some have gone.
const MOST: usize = 500;
/// Until a refused letter is sent again, if the refusal does not say.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Letter {
    pub(super) mid: Mid,
    pub(super) room: Name,
    pub(super) text: String,
    state: State,
}

enum State {
    Waiting { not_before: Instant },
    Underway { since: Instant },
}

#[derive(Default)]
pub(super) struct Outbox {
    letters: VecDeque<Letter>,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn put(&mut self, mid: Mid, room: Name, text: String) {
        if self.letters.len() < MOST {
            let state = State::Waiting { not_before: Instant::now() };
            self.letters.push_back(Letter { mid, room, text, state });
        }
    }

    /// The connection is gone, and with it every answer.
    pub(super) fn away(&mut self) {
        for letter in &mut self.letters {
            letter.state = State::Waiting { not_before: Instant::now() };
        }
    }

    /// What may be sent now, in the order it was written, to the rooms that are open.
    pub(super) fn take(&mut self, is_open: impl Fn(Name) -> bool) -> Vec<(Mid, Name, String)> {
        let now = Instant::now();
        let underway = self.letters.iter().filter(|l| matches!(l.state, State::Underway { .. }));
        let room = WINDOW.saturating_sub(underway.count());
        let may_go = |letter: &&mut Letter| {
            let is_due = matches!(letter.state, State::Waiting { not_before } if not_before <= now);
            is_due && is_open(letter.room)
        };
        let mut taken = Vec::new();
        for letter in self.letters.iter_mut().filter(may_go).take(room) {
            letter.state = State::Underway { since: now };
            taken.push((letter.mid, letter.room, letter.text.clone()));
        }
        taken
    }

    /// There is a final answer.
    pub(super) fn done(&mut self, mid: Mid) {
        self.letters.retain(|letter| letter.mid != mid);
    }

    /// To be sent again.
    pub(super) fn again(&mut self, mid: Mid, refusal: &Refusal, choices: &mut StdRng) {
        let wait = refusal.retry_after_ms.map_or(AGAIN, Duration::from_millis);
        let wait = wait.mul_f64(choices.random_range(1.0..1.5));
        for letter in self.letters.iter_mut().filter(|letter| letter.mid == mid) {
            letter.state = State::Waiting { not_before: Instant::now() + wait };
        }
    }

    /// When there is something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        let due = |letter: &Letter| match letter.state {
            State::Waiting { not_before } => Some(not_before),
            State::Underway { .. } => None,
        };
        self.letters.iter().filter_map(due).min()
    }

    /// Since when the longest send has been waiting for its answer.
    pub(super) fn oldest_underway(&self) -> Option<Instant> {
        let since = |letter: &Letter| match letter.state {
            State::Underway { since } => Some(since),
            State::Waiting { .. } => None,
        };
        self.letters.iter().filter_map(since).min()
    }
}
