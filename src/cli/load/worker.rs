//! One event loop: dials, listens, sends what is due, and reports every second.
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{Arc, mpsc},
    time::Duration,
};

use mio::{Events, Poll, Token, Waker};
use serde::{Deserialize, Serialize};

use super::{
    account::{Stay, Streams},
    client::Client,
    clock::Timer,
    outcome::{self, Outcome},
    pace::Sending,
    plan::Plan,
    shared::Shared,
    tally::Tally,
    trouble::Trouble,
};

const TIMER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// How often it looks after what has no event of its own: timeouts, slow readers, orders.
const ROUND_US: u64 = 100_000;
const SECOND_US: u64 = 1_000_000;
/// Reads of one connection before others have their turn.
const READS: usize = 16;
const SLOW_READ: usize = 4 << 10;

/// What the run tells a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Order {
    /// Send, from this moment of the run on.
    Go(u64),
    /// Send no more.
    Stop,
    /// This is what all workers sent: wait for the rest of it, and say what is missing.
    Settle(Streams),
}

/// What a worker tells the run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// All have joined.
    Ready,
    /// What happened since the last one, and how many are in now.
    Second(Box<Tally>, usize),
    /// Everything sent is answered, or given up.
    Sent(u32, Vec<super::account::Stream>),
    Done(Box<Outcome>),
}

#[derive(Debug)]
enum Phase {
    Coming,
    Waiting,
    Sending,
    /// Until everything is answered, or this moment.
    Stopping(u64),
    Idle,
    Settling(Streams, u64),
    Done,
}

pub(super) struct Worker {
    poll: Poll,
    timer: Timer,
    shared: Shared,
    clients: Vec<Client>,
    /// Who is to be dialled when.
    dials: BinaryHeap<Reverse<(u64, usize)>>,
    sending: Sending,
    phase: Phase,
    orders: mpsc::Receiver<Order>,
    report: Box<dyn FnMut(Report) -> io::Result<()> + Send>,
    next_round: u64,
    next_second: u64,
    next_leave: u64,
}

impl Worker {
    pub(super) fn new(
        plan: &Arc<Plan>,
        process: u32,
        orders: mpsc::Receiver<Order>,
        report: Box<dyn FnMut(Report) -> io::Result<()> + Send>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let stream = u8::try_from(process).unwrap_or(u8::MAX);
        let shared = Shared::new(plan.clone(), stream, poll.registry().try_clone()?);
        let mine = (0..plan.connections).filter(|id| plan.process_of(*id) == process);
        let mut clients: Vec<Client> = mine.map(|id| Client::new(id, &shared)).collect();
        let sending = Sending::new(plan, process, &mut clients);
        let dials = clients
            .iter()
            .enumerate()
            .map(|(at, client)| Reverse((dial_time(client.id, plan.ramp), at)))
            .collect();
        let worker = Self {
            poll,
            timer,
            clients,
            dials,
            sending,
            phase: Phase::Coming,
            orders,
            report,
            next_round: 0,
            next_second: shared.now + SECOND_US,
            next_leave: u64::MAX,
            shared,
        };
        Ok((worker, waker))
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        while !matches!(self.phase, Phase::Done) {
            let next = self.next_moment();
            self.timer.set(self.shared.plan.zero_us + next)?;
            let patience = Some(Duration::from_secs(1));
            if let Err(error) = self.poll.poll(&mut events, patience)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                if event.token() < WAKER {
                    self.ready(event.token().0);
                }
            }
            self.shared.look_at_the_clock();
            self.dial();
            self.send();
            self.obey();
            if self.shared.now >= self.next_round {
                self.next_round = self.shared.now + ROUND_US;
                self.round()?;
            }
        }
        Ok(())
    }

    fn next_moment(&self) -> u64 {
        let dial = self.dials.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let send =
            if matches!(self.phase, Phase::Sending) { self.sending.next_due() } else { u64::MAX };
        self.next_round.min(dial).min(send)
    }

    fn ready(&mut self, token: usize) {
        let at = token / 2;
        let Some(client) = self.clients.get_mut(at) else { return };
        // A slow reader reads in its own time.
        if client.slow && client.is_live() && matches!(self.phase, Phase::Sending) {
            return;
        }
        if let Err(trouble) = client.ready(token % 2 == 1, &mut self.shared, READS) {
            self.trouble(at, &trouble);
        }
    }

    fn trouble(&mut self, at: usize, trouble: &Trouble) {
        self.shared.tally.error(&trouble.0);
        let random = self.shared.random() % 200_000;
        let client = &mut self.clients[at];
        client.troubles += 1;
        let patience = 200_000 << client.troubles.min(5);
        self.leave(at, patience + random);
    }

    fn leave(&mut self, at: usize, away: u64) {
        let back = self.shared.now + away;
        self.clients[at].leave(&mut self.shared);
        self.dials.push(Reverse((back, at)));
    }

    fn dial(&mut self) {
        while let Some(Reverse((due, at))) = self.dials.peek().copied()
            && due <= self.shared.now
        {
            self.dials.pop();
            if let Err(trouble) = self.clients[at].dial(&mut self.shared, Token(at * 2)) {
                self.trouble(at, &trouble);
            }
        }
    }

    fn send(&mut self) {
        if !matches!(self.phase, Phase::Sending) {
            return;
        }
        for at in self.sending.send_due(&mut self.clients, &mut self.shared) {
            self.trouble(at, &Trouble::new("closed"));
        }
    }

    fn obey(&mut self) {
        let now = self.shared.now;
        loop {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(mpsc::TryRecvError::Empty) => return,
                // Nobody is interested any more.
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.phase = Phase::Done;
                    return;
                }
            };
            match order {
                Order::Go(start) => self.go(start),
                Order::Stop => self.phase = Phase::Stopping(now + self.shared.plan.drain_us),
                Order::Settle(streams) => {
                    self.phase = Phase::Settling(streams, now + self.shared.plan.drain_us);
                }
            }
            self.next_round = now;
        }
    }

    fn go(&mut self, start: u64) {
        let plan = self.shared.plan.clone();
        let from = start + plan.warmup_us;
        self.shared.window = from..from + plan.duration_us;
        self.sending.start(start);
        self.phase = Phase::Sending;
        for client in &mut self.clients {
            // Whoever comes late is owed what comes after.
            if !client.is_live() {
                client.stay = Stay::part();
            }
        }
        if plan.churn > 0.0 && !self.clients.is_empty() {
            self.next_leave = start;
        }
    }

    /// What has no event of its own.
    fn round(&mut self) -> io::Result<()> {
        let now = self.shared.now;
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let patience = self.shared.plan.connect_us;
            if client.opening_since().is_some_and(|since| now > since + patience) {
                self.trouble(at, &Trouble::new("timed_out"));
            } else if client.slow && client.is_live() {
                self.read_slowly(at);
            }
        }
        self.churn();
        if now >= self.next_second {
            self.next_second += SECOND_US;
            self.report_second()?;
        }
        self.advance()
    }

    fn report_second(&mut self) -> io::Result<()> {
        let live = self.clients.iter().filter(|client| client.is_live()).count();
        let tally = self.shared.tally.take();
        (self.report)(Report::Second(Box::new(tally), live))
    }

    fn read_slowly(&mut self, at: usize) {
        if !matches!(self.phase, Phase::Sending) {
            // It takes what has piled up, so that one sees what of it was kept for it.
            return self.ready(at * 2);
        }
        let scratch = std::mem::take(&mut self.shared.scratch);
        let share = self.shared.plan.slow_rate * ROUND_US / SECOND_US;
        let length = usize::try_from(share).unwrap_or(SLOW_READ).clamp(1, scratch.len());
        self.shared.scratch = vec![0; length];
        let outcome = self.clients[at].ready(false, &mut self.shared, 1);
        self.shared.scratch = scratch;
        if let Err(trouble) = outcome {
            self.trouble(at, &trouble);
        }
    }

    fn churn(&mut self) {
        if !matches!(self.phase, Phase::Sending) {
            return;
        }
        let plan = self.shared.plan.clone();
        #[expect(clippy::cast_precision_loss, reason = "far fewer connections than that")]
        let a_second = plan.churn * self.clients.len() as f64;
        while self.next_leave <= self.shared.now {
            self.next_leave += micros(1.0 / a_second);
            let at = self.shared.random_below(self.clients.len());
            // Who has just sent stays until it is answered, as people do.
            if self.clients[at].is_live() && self.clients[at].is_idle() {
                self.shared.tally.left += 1;
                self.leave(at, plan.away_us);
            }
        }
    }

    fn advance(&mut self) -> io::Result<()> {
        let now = self.shared.now;
        match &self.phase {
            Phase::Coming if self.shared.joined == self.clients.len() => {
                self.phase = Phase::Waiting;
                self.report_second()?;
                (self.report)(Report::Ready)
            }
            Phase::Stopping(until) => {
                if now < *until && self.clients.iter().any(|client| !client.is_idle()) {
                    return Ok(());
                }
                for client in &mut self.clients {
                    client.give_up(&mut self.shared);
                }
                self.phase = Phase::Idle;
                let process = u32::from(self.shared.stream);
                (self.report)(Report::Sent(process, self.shared.streams.clone()))
            }
            Phase::Settling(sent, until) => {
                let complete = now >= *until
                    || self.clients.iter().all(|client| {
                        client.is_settled() && client.stay.is_complete(sent, client.room as usize)
                    });
                if !complete {
                    return Ok(());
                }
                let outcome = outcome::settle(&self.clients, sent);
                self.phase = Phase::Done;
                self.report_second()?;
                (self.report)(Report::Done(Box::new(outcome)))
            }
            _ => Ok(()),
        }
    }
}

fn dial_time(id: u32, ramp: f64) -> u64 {
    micros(f64::from(id) / ramp)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time of a run is positive and far from the end of 64 bits"
)]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).min(1e15) as u64
}
