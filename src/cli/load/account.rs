//! Who was owed what and who got it: lost, doubled, reordered, told apart for every member.
use serde::{Deserialize, Serialize};

use super::mark::Mark;

/// What one worker process sent into one room: messages `0..sent`, without those in `void`, which
/// were refused or never acknowledged and are owed to nobody.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) sent: u32,
    pub(super) void: Vec<u32>,
}

impl Stream {
    pub(super) fn owed(&self) -> u64 {
        u64::from(self.sent).saturating_sub(self.void.len() as u64)
    }
}

/// Streams by process, then by room.
pub(super) type Streams = Vec<Vec<Stream>>;

/// What a member heard of one stream, for as long as it stayed.
#[derive(Debug, Default)]
struct Heard {
    /// The number at the first bit; numbers before it came before this stay.
    base: u32,
    bits: Vec<u64>,
    last: Option<u32>,
    any: bool,
}

/// What one more delivery was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    New,
    /// After a later one of the same sender, or with a position that goes back.
    Reordered,
    Doubled,
    /// From before this stay: history, which nobody counts.
    Old,
}

/// One stay of a member in its room.
#[derive(Debug, Default)]
pub(super) struct Stay {
    streams: Vec<Heard>,
    /// The next number expected at least, by stream and sender.
    after: Vec<Vec<u32>>,
    last_position: u64,
    /// Of everything heard live, in its order: equal for all members that heard it in one order.
    order: u64,
    /// Whether everything of the run is owed: there from the beginning, or resumed since.
    whole: bool,
}

/// What a stay adds up to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) lost: u64,
    pub(super) heard: u64,
    /// The order, if nothing of the run is missing.
    pub(super) order: Option<u64>,
}

impl Stay {
    /// From before the first message on.
    pub(super) fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// From somewhere in the middle: what lies between the first and the last thing heard is owed.
    pub(super) fn part() -> Self {
        Self::default()
    }

    /// `live`: told as it happened, not read from history. `position`: the server's own number.
    pub(super) fn hear(&mut self, mark: &Mark, live: bool, position: Option<u64>) -> Hearing {
        let stream = usize::from(mark.stream);
        if self.streams.len() <= stream {
            self.streams.resize_with(stream + 1, Heard::default);
            self.after.resize_with(stream + 1, Vec::new);
        }
        match self.streams[stream].note(mark.number, self.whole) {
            Hearing::New => {}
            other => return other,
        }
        if !live {
            return Hearing::New;
        }
        let value = u64::from(mark.number) << 8 | u64::from(mark.stream);
        self.order = (self.order ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        let slot = usize::from(mark.slot);
        let after = &mut self.after[stream];
        if after.len() <= slot {
            after.resize(slot + 1, 0);
        }
        let in_order = mark.number >= after[slot]
            && position.is_none_or(|position| position > self.last_position);
        after[slot] = after[slot].max(mark.number + 1);
        self.last_position = self.last_position.max(position.unwrap_or(0));
        if in_order { Hearing::New } else { Hearing::Reordered }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Positions begin anew: the server said that its log is another one.
    pub(super) fn forget_position(&mut self) {
        self.last_position = 0;
    }

    /// Whether everything sent has been heard; for whoever waits for the rest.
    pub(super) fn is_complete(&self, sent: &Streams, room: usize) -> bool {
        !self.whole || self.balance(sent, room).lost == 0
    }

    pub(super) fn balance(&self, sent: &Streams, room: usize) -> Balance {
        let mut balance = Balance::default();
        let nothing = Heard::default();
        for (process, rooms) in sent.iter().enumerate() {
            let Some(stream) = rooms.get(room) else { continue };
            let heard = self.streams.get(process).unwrap_or(&nothing);
            let (from, to) = if self.whole {
                (0, stream.sent)
            } else if heard.any {
                (heard.first(), heard.last.map_or(0, |last| last + 1))
            } else {
                (0, 0)
            };
            balance.heard += heard.count();
            balance.lost += heard.missing(from, to, &stream.void);
        }
        balance.order = (self.whole && balance.lost == 0).then_some(self.order);
        balance
    }
}

impl Heard {
    fn note(&mut self, number: u32, whole: bool) -> Hearing {
        if !self.any {
            self.any = true;
            self.base = if whole { 0 } else { number };
        }
        let Some(at) = number.checked_sub(self.base) else { return Hearing::Old };
        let (word, bit) = (at as usize / 64, 1_u64 << (at % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit != 0 {
            return Hearing::Doubled;
        }
        self.bits[word] |= bit;
        self.last = self.last.max(Some(number));
        Hearing::New
    }

    fn has(&self, number: u32) -> bool {
        number.checked_sub(self.base).is_some_and(|at| {
            self.bits.get(at as usize / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
        })
    }

    fn first(&self) -> u32 {
        self.base
    }

    fn count(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of `from..to` were not heard although they were owed.
    fn missing(&self, from: u32, to: u32, void: &[u32]) -> u64 {
        let owed = u64::from(to.saturating_sub(from));
        // Nothing heard lies outside of the range, but for what was sent without an answer.
        let outside = if self.last.is_some_and(|last| last >= to) {
            (to..=self.last.unwrap_or(to)).filter(|number| self.has(*number)).count() as u64
        } else {
            0
        };
        let excused = void
            .iter()
            .filter(|number| (from..to).contains(*number) && !self.has(**number))
            .count() as u64;
        owed.saturating_sub(self.count() - outside).saturating_sub(excused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32, slot: u16) -> Mark {
        Mark { number, stream: 0, room: 0, slot, due: 0 }
    }

    fn sent(sent: u32, void: &[u32]) -> Streams {
        vec![vec![Stream { sent, void: void.to_vec() }]]
    }

    fn hear(stay: &mut Stay, numbers: &[u32]) -> Vec<Hearing> {
        numbers.iter().map(|number| stay.hear(&mark(*number, 0), true, None)).collect()
    }

    #[test]
    fn a_member_that_heard_everything_once_and_in_order_lost_nothing() {
        let mut stay = Stay::whole();
        let all: Vec<u32> = (0..1_000).collect();

        assert!(hear(&mut stay, &all).iter().all(|hearing| *hearing == Hearing::New));

        let balance = stay.balance(&sent(1_000, &[]), 0);
        assert_eq!((balance.lost, balance.heard), (0, 1_000));
        assert!(stay.is_complete(&sent(1_000, &[]), 0));
    }

    #[test]
    fn planted_losses_doubles_and_swaps_are_counted() {
        use Hearing::{Doubled, New, Reordered};
        let mut stay = Stay::whole();

        let heard = hear(&mut stay, &[0, 1, 1, 5, 4, 9, 5]);

        assert_eq!(heard, [New, New, Doubled, New, Reordered, New, Doubled]);
        let balance = stay.balance(&sent(12, &[2]), 0);
        // 3, 6, 7, 8, 10 and 11 are missing; 2 was refused.
        assert_eq!((balance.lost, balance.heard, balance.order), (6, 5, None));
        assert!(!stay.is_complete(&sent(12, &[2]), 0));
    }

    #[test]
    fn a_message_refused_and_heard_all_the_same_excuses_no_other() {
        let mut stay = Stay::whole();
        hear(&mut stay, &[0, 1]);

        assert_eq!(stay.balance(&sent(3, &[1]), 0).lost, 1);
    }

    #[test]
    fn two_senders_may_overtake_each_other_but_not_themselves() {
        let mut stay = Stay::whole();

        let heard = [(1, 1), (0, 0), (3, 0), (2, 0)]
            .map(|(number, slot)| stay.hear(&mark(number, slot), true, None));

        assert_eq!(heard, [Hearing::New, Hearing::New, Hearing::New, Hearing::Reordered]);
    }

    #[test]
    fn a_position_that_goes_back_is_a_swap_also_between_senders() {
        let mut stay = Stay::whole();

        let heard = [(0, 0, 2), (1, 1, 1)]
            .map(|(number, slot, position)| stay.hear(&mark(number, slot), true, Some(position)));

        assert_eq!(heard, [Hearing::New, Hearing::Reordered]);
    }

    #[test]
    fn members_that_heard_different_orders_are_told_apart() {
        let orders = [[(0, 0), (1, 1), (2, 0)], [(1, 1), (0, 0), (2, 0)], [(0, 0), (1, 1), (2, 0)]]
            .map(|numbers| {
                let mut stay = Stay::whole();
                for (number, slot) in numbers {
                    assert_eq!(stay.hear(&mark(number, slot), true, None), Hearing::New);
                }
                stay.balance(&sent(3, &[]), 0).order.unwrap()
            });

        assert_eq!(orders[0], orders[2]);
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn part_of_a_run_owes_what_lies_between_its_ends() {
        let mut stay = Stay::part();

        assert_eq!(hear(&mut stay, &[10, 9, 12]), [Hearing::New, Hearing::Old, Hearing::New]);

        assert_eq!(stay.balance(&sent(20, &[]), 0), Balance { lost: 1, heard: 2, order: None });
    }

    #[test]
    fn what_comes_from_history_fills_gaps_and_is_not_out_of_order() {
        let mut stay = Stay::whole();
        hear(&mut stay, &[0, 3]);

        let page = [1, 2, 3].map(|number| stay.hear(&mark(number, 0), false, None));

        assert_eq!(page, [Hearing::New, Hearing::New, Hearing::Doubled]);
        assert_eq!(stay.balance(&sent(4, &[]), 0).lost, 0);
    }

    #[test]
    fn each_process_is_its_own_stream() {
        let mut stay = Stay::whole();
        stay.hear(&Mark { stream: 1, ..mark(0, 0) }, true, None);
        let sent: Streams = (0..3).map(|_| vec![Stream { sent: 1, void: vec![] }]).collect();

        assert_eq!(stay.balance(&sent, 0).lost, 2);
    }
}
