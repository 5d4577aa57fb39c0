//! One way of one connection: read, kept for as long as the verb wants, and written.
use std::{io, ops::ControlFlow, sync::atomic::Ordering::Relaxed, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

use super::{
    Shared, Speech, Verb, Way,
    resp::{Frames, led_elsewhere},
};

/// So often in a row a piece may be lost.
const MOST_LOSSES: u32 = 4;

/// Longest bytes that can be waited for.
pub(super) const LONGEST_WANTED: usize = 64;

/// The connection is to end as by a crash.
#[derive(Debug)]
pub(super) struct Reset;

/// What goes one way.
enum Piece {
    Bytes { bytes: Vec<u8>, is_reply: bool, due: Instant },
    End,
    Crash,
}

/// Both ways, until both have ended or one was reset.
pub(super) async fn both(
    shared: &Shared,
    client: &mut TcpStream,
    server: &mut TcpStream,
    (cuts, mut choices): (u64, StdRng),
) -> Result<(), Reset> {
    let (from_client, to_server) = (client.split(), server.split());
    let ((from_client, to_client), (from_server, to_server)) = (from_client, to_server);
    let up = OneWay { shared, way: Way::Up, cuts, choices: StdRng::from_rng(&mut choices) };
    let down = OneWay { shared, way: Way::Down, cuts, choices };
    tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client)).map(drop)
}

struct OneWay<'a> {
    shared: &'a Shared,
    way: Way,
    /// How often everything had been cut when this connection began.
    cuts: u64,
    choices: StdRng,
}

impl OneWay<'_> {
    async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), Reset> {
        let (keep, kept) = channel(self.shared.plan.width.chunks);
        let Self { shared, way, cuts, choices } = self;
        tokio::try_join!(
            Reader { shared, way, choices, due: Instant::now(), tail: Vec::new() }.run(from, keep),
            Writer { shared, way, cuts, since: Verb::Pass, passed: 0 }.run(to, kept),
        )
        .map(drop)
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    way: Way,
    choices: StdRng,
    /// When the last piece may go on: none overtakes another.
    due: Instant,
    /// The last bytes, in which something waited for may begin.
    tail: Vec<u8>,
}

impl Reader<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, keep: Sender<Piece>) -> Result<(), Reset> {
        let mut frames = match (&self.shared.plan.speech, self.way) {
            (Speech::Redis { instead }, Way::Down) => Some((Frames::default(), instead)),
            _ => None,
        };
        let mut buffer = vec![0; self.shared.plan.width.chunk];
        let end = loop {
            match from.read(&mut buffer).await {
                Ok(0) => break Piece::End,
                Ok(n) => {
                    self.notice(&buffer[..n]);
                    let due = self.due();
                    let Some((frames, instead)) = &mut frames else {
                        let bytes = buffer[..n].to_vec();
                        if keep.send(Piece::Bytes { bytes, is_reply: false, due }).await.is_err() {
                            return Ok(());
                        }
                        continue;
                    };
                    for said in frames.take(&buffer[..n]) {
                        let bytes = led_elsewhere(said.bytes, instead);
                        let piece = Piece::Bytes { bytes, is_reply: said.is_reply, due };
                        if keep.send(piece).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                Err(_) => break Piece::Crash,
            }
        };
        if let Some((frames, _)) = frames {
            let bytes = frames.left();
            keep.send(Piece::Bytes { bytes, is_reply: false, due: self.due }).await.ok();
        }
        keep.send(end).await.ok();
        Ok(())
    }

    fn due(&mut self) -> Instant {
        let late = match *self.shared.verb.borrow() {
            Verb::Delay { by, jitter } => {
                by.saturating_sub(jitter) + self.choices.random_range(Duration::ZERO..=jitter * 2)
            }
            Verb::Loss { of_hundred, again } => {
                let (mut late, mut again) = (Duration::ZERO, again);
                let mut losses = 0;
                while losses < MOST_LOSSES && self.choices.random_ratio(of_hundred, 100) {
                    late += again;
                    again *= 2;
                    losses += 1;
                }
                late
            }
            _ => return self.due,
        };
        self.due = self.due.max(Instant::now() + late);
        self.due
    }

    fn notice(&mut self, bytes: &[u8]) {
        self.shared.arrived[self.way as usize].fetch_add(bytes.len() as u64, Relaxed);
        self.tail.extend_from_slice(bytes);
        let mut wanted = self.shared.wanted.lock();
        let is_here = |wanted: &mut super::Wanted| {
            wanted.way == self.way
                && self.tail.windows(wanted.bytes.len()).any(|part| part == wanted.bytes)
        };
        for found in wanted.extract_if(.., is_here) {
            found.seen.send(()).ok();
        }
        let over = self.tail.len().saturating_sub(LONGEST_WANTED);
        self.tail.drain(..over);
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    way: Way,
    cuts: u64,
    /// The verb `passed` belongs to.
    since: Verb,
    /// Bytes this connection has passed since then.
    passed: u64,
}

impl Writer<'_> {
    async fn run(mut self, mut to: WriteHalf<'_>, mut kept: Receiver<Piece>) -> Result<(), Reset> {
        let mut verb = self.shared.verb.subscribe();
        while let Some(piece) = kept.recv().await {
            if let Piece::Bytes { due, .. } = &piece {
                tokio::time::sleep_until(*due).await;
            }
            let now =
                verb.wait_for(|verb| !verb.holds(self.way)).await.map_err(|_| Reset)?.to_owned();
            // Cut and healed in one breath: nobody may have heard of the cut yet.
            if *self.shared.cuts.borrow() != self.cuts {
                return Err(Reset);
            }
            match piece {
                Piece::Bytes { mut bytes, is_reply, .. } => {
                    let go_on = self.judge(now, &mut bytes, is_reply);
                    self.write(&mut to, &bytes, now).await.map_err(|_| Reset)?;
                    if go_on.is_break() {
                        return Err(Reset);
                    }
                }
                Piece::End => {
                    to.shutdown().await.ok();
                    return Ok(());
                }
                Piece::Crash => return Err(Reset),
            }
        }
        Ok(())
    }

    /// What is left of a piece; `Break`: the connection ends after it.
    fn judge(&mut self, verb: Verb, bytes: &mut Vec<u8>, is_reply: bool) -> ControlFlow<()> {
        if self.since != verb {
            (self.since, self.passed) = (verb, 0);
        }
        match verb {
            Verb::LoseReply { every, cut } if is_reply => {
                let number = self.shared.replies.fetch_add(1, Relaxed) + 1;
                if number.is_multiple_of(every) {
                    self.shared.lost.fetch_add(1, Relaxed);
                    bytes.clear();
                    if cut {
                        return ControlFlow::Break(());
                    }
                }
            }
            Verb::CutAfter(most) if self.way == Way::Down => {
                let left = most.saturating_sub(self.passed);
                if bytes.len() as u64 >= left {
                    bytes.truncate(usize::try_from(left).expect("less than a piece"));
                    return ControlFlow::Break(());
                }
            }
            Verb::Corrupt(way) if way == self.way => {
                // Whoever turns the verb back has the one chunk.
                let is_first = |now: &mut Verb| {
                    let is_first = *now == verb;
                    *now = Verb::Pass;
                    is_first
                };
                if self.shared.verb.send_if_modified(is_first)
                    && let Some(byte) = bytes.last_mut()
                {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    async fn write(&mut self, to: &mut WriteHalf<'_>, bytes: &[u8], verb: Verb) -> io::Result<()> {
        let Verb::Rate(a_second) = verb else { return self.pass(to, bytes).await };
        // Small parts, so that it trickles.
        let part = (a_second as usize / 10).max(1);
        for part in bytes.chunks(part) {
            self.pass(to, part).await?;
            if matches!(*self.shared.verb.borrow(), Verb::Rate(_)) {
                tokio::time::sleep(Duration::from_secs_f64(
                    f64::from(u32::try_from(part.len()).unwrap()) / f64::from(a_second),
                ))
                .await;
            }
        }
        Ok(())
    }

    async fn pass(&mut self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
        to.write_all(bytes).await?;
        self.passed += bytes.len() as u64;
        self.shared.passed[self.way as usize].fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }
}
