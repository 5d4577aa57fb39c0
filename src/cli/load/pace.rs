//! When the next message is due, where, and who says it.
use super::{
    client::Client,
    mark::Mark,
    plan::{Pace, Plan},
    shared::Shared,
};

/// Senders of a room in one process: each has its own place in what members remember.
const MOST_SENDERS: usize = 200;
/// Messages before the event loop has its turn again.
const BATCH: usize = 256;
/// In a closed loop: after so long without any answer, what is on its way is taken for lost.
const STALLED_US: u64 = 2_000_000;

pub(super) struct Sending {
    /// Rooms that this process has senders in, with the places of these among its clients.
    rooms: Vec<(u16, Vec<usize>)>,
    clock: Clock,
    start: u64,
    /// How many were due so far.
    turn: u64,
}

enum Clock {
    /// The time between two messages of this process, and how far its first is behind the start.
    Open {
        period: f64,
        offset: f64,
    },
    Closed {
        most: u32,
        free: u32,
        last_answer: u64,
    },
}

impl Sending {
    pub(super) fn new(plan: &Plan, process: u32, clients: &mut [Client]) -> Self {
        let mut rooms: Vec<(u16, Vec<usize>)> = Vec::new();
        if plan.rooms > 0 {
            rooms = (0..plan.rooms)
                .filter_map(|room| Some((u16::try_from(room).ok()?, Vec::new())))
                .collect();
            for (at, client) in clients.iter_mut().enumerate().filter(|(_, client)| !client.slow) {
                let senders = &mut rooms[client.room as usize].1;
                if senders.len() < MOST_SENDERS {
                    client.slot = u16::try_from(senders.len()).ok();
                    senders.push(at);
                }
            }
            rooms.retain(|(_, senders)| !senders.is_empty());
        }
        let processes = f64::from(plan.processes);
        let clock = match plan.pace {
            Pace::Open(rate) => Clock::Open {
                period: 1e6 * processes / rate,
                offset: 1e6 / rate * f64::from(process),
            },
            Pace::Closed(all) => {
                let more = u32::from(process < all % plan.processes);
                let most = all / plan.processes + more;
                Clock::Closed { most, free: most, last_answer: 0 }
            }
        };
        Self { rooms, clock, start: u64::MAX, turn: 0 }
    }

    pub(super) fn start(&mut self, at: u64) {
        self.start = at;
    }

    pub(super) fn next_due(&self) -> u64 {
        match self.clock {
            _ if self.rooms.is_empty() => u64::MAX,
            Clock::Open { period, offset } => {
                self.start.saturating_add(elapsed(period, offset, self.turn))
            }
            Clock::Closed { free, .. } if free > 0 => self.start,
            Clock::Closed { .. } => u64::MAX,
        }
    }

    /// Sends what is due; gives back whose connection broke over it.
    pub(super) fn send_due(&mut self, clients: &mut [Client], shared: &mut Shared) -> Vec<usize> {
        let mut broken = Vec::new();
        self.count_answers(shared);
        for _ in 0..BATCH {
            let due = self.next_due();
            if due > shared.now {
                break;
            }
            let due = match &mut self.clock {
                Clock::Open { .. } => due,
                Clock::Closed { free, .. } => {
                    *free -= 1;
                    shared.now
                }
            };
            let (room, senders) =
                &self.rooms[usize::try_from(self.turn).unwrap_or(0) % self.rooms.len()];
            self.turn += 1;
            let first = shared.random_below(senders.len());
            let in_turn = senders[first..].iter().chain(&senders[..first]);
            let Some(at) = in_turn.copied().find(|at| clients[*at].is_live()) else {
                shared.tally.unsent += 1;
                continue;
            };
            if !say(&mut clients[at], *room, due, shared) {
                broken.push(at);
            }
        }
        broken
    }

    fn count_answers(&mut self, shared: &mut Shared) {
        let answered = std::mem::take(&mut shared.answered);
        let Clock::Closed { most, free, last_answer } = &mut self.clock else { return };
        if answered > 0 || *last_answer == 0 {
            *last_answer = shared.now;
        }
        *free = (*free + answered).min(*most);
        if *free == 0 && shared.now > *last_answer + STALLED_US {
            shared.tally.error("stalled");
            *free = *most;
            *last_answer = shared.now;
        }
    }
}

fn say(client: &mut Client, room: u16, due: u64, shared: &mut Shared) -> bool {
    let stream = &mut shared.streams[usize::from(room)];
    let number = stream.sent;
    stream.sent += 1;
    let slot = client.slot.unwrap_or(0);
    let mark = Mark { number, stream: shared.stream, room, slot, due };
    shared.tally.sent += 1;
    if shared.window.contains(&due) {
        shared.tally.sent_within += 1;
        shared.look_at_the_clock();
        shared.tally.lag.note(shared.now.saturating_sub(due));
    }
    let said = client.say(mark, shared).is_ok();
    if !said && !shared.plan.dialect.acks {
        shared.void(&mark);
    }
    said
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "microseconds of a run fit into 52 bits"
)]
fn elapsed(period: f64, offset: f64, turn: u64) -> u64 {
    (offset + period * turn as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::{super::plan::tests::plan, *};

    #[test]
    fn what_is_due_does_not_wait_for_what_was_late() {
        let plan = plan(4, 1, 1, 2);
        // 100 messages a second over two processes: each has one every 20 ms, in turns.
        for (process, first) in [(0, 1_000), (1, 11_000)] {
            let mut sending = Sending::new(&plan, process, &mut []);
            sending.rooms.push((0, vec![0]));
            assert_eq!(sending.next_due(), u64::MAX, "not before it has begun");

            sending.start(1_000);

            let due: Vec<u64> = (0..3)
                .map(|turn| {
                    sending.turn = turn;
                    sending.next_due()
                })
                .collect();
            assert_eq!(due, [first, first + 20_000, first + 40_000]);
        }
    }

    #[test]
    fn a_closed_loop_is_shared_out_to_the_last_message() {
        let plan = Plan { pace: Pace::Closed(5), ..plan(4, 1, 1, 3) };

        let most = [0, 1, 2].map(|process| match Sending::new(&plan, process, &mut []).clock {
            Clock::Closed { most, .. } => most,
            Clock::Open { .. } => 0,
        });

        assert_eq!(most, [2, 2, 1]);
    }
}
