//! All clients' records, put together: connections, attempts to send, and what was sent under each mid.
use std::collections::HashMap;

use super::Run;
use crate::records::{ClientRecords, Event, Micros, Mid, Name, Outcome, Record};

/// A client's connection, from `session:ready` to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) client: usize,
    pub(super) node: Name,
    pub(super) user: Name,
    pub(super) from: Micros,
    /// `None`: it stood when the run ended.
    pub(super) to: Option<Micros>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Ok { epoch: Name, seq: u64, dup: bool },
    No { code: Name, outcome: Option<Outcome>, retryable: bool },
}

/// One attempt to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) client: usize,
    /// The connection it went out by; `None`: it was written while away and none came.
    pub(super) session: Option<usize>,
    pub(super) n: u32,
    pub(super) sending: usize,
    pub(super) text_hash: u32,
    pub(super) sent: Micros,
    pub(super) answer: Option<(Micros, Answer)>,
}

impl Attempt {
    /// When it was acked, and where it says it stands.
    pub(super) fn ok(&self) -> Option<(Micros, Name, u64)> {
        match self.answer {
            Some((at, Answer::Ok { epoch, seq, .. })) => Some((at, epoch, seq)),
            _ => None,
        }
    }

    /// Whether it may have happened, by its answer: refusals of these codes come from wherever the
    /// trouble was, and say nothing unless they say `none`.
    pub(super) fn may_have_happened(&self) -> bool {
        match self.answer {
            Some((_, Answer::No { outcome: Some(Outcome::None), .. })) => false,
            Some((_, Answer::No { code, outcome: None, .. })) => {
                ["unavailable", "internal", "draining"].contains(&code.as_str())
            }
            _ => true,
        }
    }
}

/// All that was sent under one mid.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) mid: Mid,
    pub(super) room: Name,
    /// In [`Index::attempts`], in the order of the clock.
    pub(super) attempts: Vec<usize>,
    pub(super) first_sent: Micros,
}

pub(super) struct Index<'a> {
    pub(super) run: &'a Run,
    pub(super) sessions: Vec<Session>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) sendings: Vec<Sending>,
    by_mid: HashMap<Mid, usize>,
    /// Where the records do not fit together: then nothing that is decided from them is worth much.
    pub(super) oddities: Vec<String>,
}

impl<'a> Index<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        let mut index = Self {
            run,
            sessions: Vec::new(),
            attempts: Vec::new(),
            sendings: Vec::new(),
            by_mid: HashMap::new(),
            oddities: Vec::new(),
        };
        for client in 0..run.clients.len() {
            Reading::new(&mut index, client).all();
        }
        let clients = run.clients.iter().enumerate();
        let mut stays = clients.filter(|(client, _)| index.closed(*client).is_none());
        if !run.clients.is_empty() && stays.next().is_none() {
            let odd = "no client was there at the end: `ended` comes before they are closed";
            index.oddities.push(odd.to_owned());
        }
        let attempts = &index.attempts;
        for sending in &mut index.sendings {
            sending.attempts.sort_by_key(|attempt| attempts[*attempt].sent);
        }
        index
    }

    pub(super) fn sending(&self, mid: &Mid) -> Option<&Sending> {
        self.by_mid.get(mid).map(|at| &self.sendings[*at])
    }

    pub(super) fn attempts_of(&self, sending: &Sending) -> impl Iterator<Item = &Attempt> + Clone {
        sending.attempts.iter().map(|attempt| &self.attempts[*attempt])
    }

    pub(super) fn sending_of(&self, attempt: &Attempt) -> &Sending {
        &self.sendings[attempt.sending]
    }

    /// Who sent it, as far as an attempt had a connection.
    pub(super) fn user_of(&self, attempt: &Attempt) -> Option<Name> {
        attempt.session.map(|session| self.sessions[session].user)
    }

    pub(super) fn name(&self, client: usize) -> Name {
        self.run.clients[client].client.name
    }

    /// A client's records, but for those after the end of the run.
    pub(super) fn records(&self, client: usize) -> &'a [Record] {
        records_of(self.run, &self.run.clients[client])
    }

    /// When a client was closed for good, if that was before the end.
    pub(super) fn closed(&self, client: usize) -> Option<Micros> {
        let is_closed = |record: &&Record| matches!(record.event, Event::Closed);
        self.records(client).iter().rev().find(is_closed).map(|record| record.at)
    }
}

fn records_of<'a>(run: &'a Run, client: &'a ClientRecords) -> &'a [Record] {
    let end = client.records.partition_point(|record| record.at <= run.facts.ended);
    &client.records[..end]
}

/// One client's records, being read.
struct Reading<'i, 'a> {
    index: &'i mut Index<'a>,
    client: usize,
    session: Option<usize>,
    /// Attempts by `n`.
    attempts: HashMap<u32, usize>,
    /// Attempts of the time without a connection.
    waiting: Vec<usize>,
}

impl<'i, 'a> Reading<'i, 'a> {
    fn new(index: &'i mut Index<'a>, client: usize) -> Self {
        Self { index, client, session: None, attempts: HashMap::new(), waiting: Vec::new() }
    }

    fn all(mut self) {
        let mut last = 0;
        for record in self.index.records(self.client) {
            if record.at < last {
                self.odd(record.at, "comes after something later");
            }
            last = record.at;
            self.one(record.at, &record.event);
        }
    }

    fn odd(&mut self, at: Micros, what: &str) {
        let client = self.index.name(self.client);
        self.index.oddities.push(format!("{client} at {}: {what}", seconds(at)));
    }

    fn one(&mut self, at: Micros, event: &Event) {
        match *event {
            Event::Connected { node, user, .. } => {
                if self.session.is_some() {
                    self.odd(at, "connected, being connected");
                    self.disconnect(at);
                }
                let session = Session { client: self.client, node, user, from: at, to: None };
                let number = self.index.sessions.len();
                self.index.sessions.push(session);
                self.session = Some(number);
                for attempt in self.waiting.drain(..) {
                    self.index.attempts[attempt].session = Some(number);
                }
            }
            Event::Disconnected { .. } | Event::Closed => self.disconnect(at),
            Event::Sent { n, room, mid, text_hash } => self.sent(at, n, (room, mid), text_hash),
            Event::Acked { n, mid, epoch, seq, dup, .. } => {
                self.answered(at, n, mid, Answer::Ok { epoch, seq, dup });
            }
            Event::Refused { n, mid, code, outcome, retryable, .. } => {
                self.answered(at, n, mid, Answer::No { code, outcome, retryable });
            }
            Event::Joined { .. } if self.session.is_none() => {
                self.odd(at, "joined, without being connected");
            }
            _ => {}
        }
    }

    fn disconnect(&mut self, at: Micros) {
        if let Some(session) = self.session.take() {
            self.index.sessions[session].to = Some(at);
        }
    }

    fn sent(&mut self, at: Micros, n: u32, (room, mid): (Name, Mid), text_hash: u32) {
        let number = self.index.attempts.len();
        let index = &mut *self.index;
        let sending = *index.by_mid.entry(mid).or_insert_with(|| {
            let sending = Sending { mid, room, attempts: Vec::new(), first_sent: at };
            index.sendings.push(sending);
            index.sendings.len() - 1
        });
        let known = &mut index.sendings[sending];
        known.attempts.push(number);
        known.first_sent = known.first_sent.min(at);
        let is_elsewhere = known.room != room;
        index.attempts.push(Attempt {
            client: self.client,
            session: self.session,
            n,
            sending,
            text_hash,
            sent: at,
            answer: None,
        });
        if is_elsewhere {
            self.odd(at, &format!("sent {mid} to another room than before"));
        }
        if self.session.is_none() {
            self.waiting.push(number);
        }
        if self.attempts.insert(n, number).is_some() {
            self.odd(at, &format!("has two attempts {n}"));
        }
    }

    fn answered(&mut self, at: Micros, n: u32, mid: Mid, answer: Answer) {
        let Some(number) = self.attempts.get(&n).copied() else {
            return self.odd(at, &format!("got an answer to attempt {n}, which it did not make"));
        };
        let attempt = &mut self.index.attempts[number];
        let is_other = self.index.sendings[attempt.sending].mid != mid;
        if attempt.answer.is_some() {
            return self.odd(at, &format!("got a second answer to attempt {n}"));
        }
        attempt.answer = Some((at, answer));
        if is_other {
            self.odd(at, &format!("got an answer about {mid} to attempt {n}, which had another"));
        }
    }
}

/// A moment, as a person reads it.
pub(super) fn seconds(at: Micros) -> String {
    format!("{}.{:06} s", at / 1_000_000, at % 1_000_000)
}
