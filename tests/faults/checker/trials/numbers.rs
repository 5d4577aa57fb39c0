//! The report's numbers, from a run so small that they can be counted by hand.
use std::collections::{BTreeMap, HashSet};

use libtest_mimic::{Failed, Trial};

use super::super::{Allowance, Check, Facts, History, Permissions, Run, Selection, Statistics};
use crate::records::{
    Client, ClientRecords, Cursor, Event, Line, Micros, Mid, Name, Page, Record, text_hash,
};

const MS: Micros = 1_000;
const SECOND: Micros = 1_000_000;
const ADA: usize = 0;
const BOB: usize = 1;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("checker::counts::a_run_counted_by_hand", whole),
        Trial::test("checker::counts::a_part_of_a_run", part),
    ]
}

/// Ada says three things: one at once, one at the second try, and one that nobody hears of; she is
/// cut off, comes back to what Bob has said meanwhile, and says two more, of which one is lost. Bob
/// gets one twice.
struct Little {
    run: Run,
}

impl Little {
    fn new() -> Self {
        let clients = ["ada", "bob"].map(|name| ClientRecords {
            client: Client {
                name: Name::new(name),
                kind: Name::new("websocket"),
                rule: true,
                retries: true,
            },
            records: Vec::new(),
        });
        let facts = Facts {
            permissions: Permissions::default().allow(Allowance::Unfinished),
            ended: 20 * SECOND,
            ..Facts::default()
        };
        let mut little = Self { run: Run { clients: clients.into(), facts } };
        little.live();
        little
    }

    fn note(&mut self, client: usize, at: Micros, event: Event) {
        self.run.clients[client].records.push(Record { at, event });
    }

    fn line(seq: u64) -> Line {
        Line {
            room: Name::new("hot"),
            epoch: Name::new("epoch-1"),
            seq,
            mid: Mid::new(&format!("0123456789-{seq}")).expect("short enough"),
            text_hash: text_hash("hello"),
            user: Name::new("ada"),
        }
    }

    fn connects(&mut self, client: usize, at: Micros) {
        let node = Name::new("node-a");
        let (user, connection) = (self.run.clients[client].client.name, Name::new("c"));
        self.note(client, at, Event::Connected { node, user, connection });
    }

    fn joins(&mut self, client: usize, at: Micros, last: Option<Line>, head: u64) {
        let seq = last.map_or(0, |line| line.seq);
        let (room, epoch) = (Name::new("hot"), last.map(|line| line.epoch));
        let since = last.map(|line| Cursor { epoch, seq, mid: Some(line.mid) });
        let page = Page { room, epoch, head, first: 1, after: seq, upto: seq };
        let (has_more, truncated, reset) = (head > seq, false, None);
        self.note(client, at, Event::Joined { page, since, has_more, truncated, reset });
    }

    fn sends(&mut self, client: usize, at: Micros, n: u32, line: &Line) {
        let Line { room, mid, text_hash, .. } = *line;
        self.note(client, at, Event::Sent { n, room, mid, text_hash });
    }

    fn acked(&mut self, client: usize, at: Micros, n: u32, line: &Line) {
        // Ada's sixth is a repeat of what she has been acked for.
        let dup = client == ADA && n == 6;
        let Line { room, epoch, seq, mid, .. } = *line;
        self.note(client, at, Event::Acked { n, room, mid, epoch, seq, dup });
    }

    fn hears(&mut self, client: usize, at: Micros, line: &Line) {
        self.note(client, at, Event::Heard { line: *line, applied: true });
    }

    fn live(&mut self) {
        let [one, two, meanwhile, three, four] = [1, 2, 3, 4, 5].map(Self::line);
        let meanwhile = Line { user: Name::new("bob"), ..meanwhile };
        let unheard = Line { mid: Mid::new("0123456789-unheard").expect("short enough"), ..three };
        for client in [ADA, BOB] {
            self.connects(client, 0);
            self.joins(client, 10, None, 0);
        }
        self.sends(ADA, SECOND, 1, &one);
        self.acked(ADA, SECOND + 10 * MS, 1, &one);
        self.hears(ADA, SECOND + 20 * MS, &one);
        self.hears(BOB, SECOND + 30 * MS, &one);
        self.sends(ADA, 2 * SECOND, 2, &two);
        let Line { room, mid, .. } = two;
        let (code, outcome) = (Name::new("unavailable"), None);
        let refused = Event::Refused { n: 2, room, mid, code, outcome, retryable: true };
        self.note(ADA, 2 * SECOND + 5 * MS, refused);
        self.sends(ADA, 2_500 * MS, 3, &two);
        self.acked(ADA, 2_520 * MS, 3, &two);
        self.hears(ADA, 2_540 * MS, &two);
        self.hears(BOB, 2_550 * MS, &two);
        self.hears(BOB, 2_560 * MS, &two);
        self.sends(ADA, 3 * SECOND, 4, &unheard);
        self.note(ADA, 3_500 * MS, Event::Disconnected { why: Name::new("cut") });
        self.sends(BOB, 4 * SECOND, 1, &meanwhile);
        self.acked(BOB, 4_050 * MS, 1, &meanwhile);
        self.hears(BOB, 4_070 * MS, &meanwhile);
        self.connects(ADA, 5 * SECOND);
        self.joins(ADA, 5_500 * MS, Some(two), 3);
        self.note(ADA, 5_600 * MS, Event::Applied { line: meanwhile });
        self.sends(ADA, 6 * SECOND, 5, &three);
        self.acked(ADA, 6_100 * MS, 5, &three);
        self.hears(ADA, 6_100 * MS, &three);
        self.hears(BOB, 6_200 * MS, &three);
        self.sends(ADA, 6_300 * MS, 6, &three);
        self.acked(ADA, 6_330 * MS, 6, &three);
        self.sends(ADA, 7 * SECOND, 7, &four);
        self.acked(ADA, 7_040 * MS, 7, &four);
        let (at, entries) = (19 * SECOND, vec![one, two, meanwhile, three]);
        let (room, epoch) = (one.room, Some(one.epoch));
        self.run.facts.histories = vec![History { at, room, epoch, head: 4, first: 1, entries }];
    }

    fn statistics(&self, of: &Selection) -> Statistics {
        Check::new(&self.run).statistics(of)
    }
}

/// Names and numbers, each with what it should be.
fn all_are(numbers: &[(&str, u64, u64)]) -> Result<(), Failed> {
    let wrong = numbers.iter().filter(|(_, is, should)| is != should);
    let wrong: Vec<String> =
        wrong.map(|(name, is, should)| format!("{name} is {is}, not {should}")).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn whole() -> Result<(), Failed> {
    let is = Little::new().statistics(&Selection::default());
    if is.refused != BTreeMap::from([("unavailable", 1)]) {
        return Err(format!("refused {:?}", is.refused).into());
    }
    let outage = is.outage.ok_or("there was an outage")?;
    all_are(&[
        ("offered", is.offered, 6),
        ("attempts", is.attempts, 8),
        ("acked", is.acked, 5),
        ("dups", is.dups, 1),
        ("unanswered", is.unanswered, 1),
        ("unknown", is.unknown, 1),
        ("unknown and taken", is.unknown_taken, 0),
        ("lost", is.lost, 1),
        ("doubled", is.doubled, 1),
        ("out of order", is.out_of_order, 0),
        ("resets", is.resets, 0),
        ("acks", is.to_ack.count, 6),
        ("half of the acks", is.to_ack.p50, 30 * MS),
        ("the longest ack", is.to_ack.max, 100 * MS),
        ("the longest refusal", is.to_refusal.max, 5 * MS),
        ("the longest success", is.to_success.max, 520 * MS),
        // 20, 30, 40, 50, 60 (the second time), 70, 100 and 200 ms; what Ada found when she came
        // back is not one of them.
        ("deliveries", is.to_delivery.count, 8),
        ("half of the deliveries", is.to_delivery.p50, 50 * MS),
        ("the longest delivery", is.to_delivery.max, 200 * MS),
        ("the outage's begin", outage.from, 3 * SECOND),
        ("the outage's end", outage.to.unwrap_or_default(), 4_050 * MS),
        ("clients with an outage", is.client_outages.count, 1),
        ("the longest of a client", is.client_outages.max, 3_100 * MS),
        ("absences", is.back.count, 1),
        ("the longest absence", is.back.max, 2 * SECOND),
        ("the longest until all was caught up", is.complete.max, 2_100 * MS),
        ("never caught up", is.never_complete, 0),
        ("seconds", is.seconds.len() as u64, 6),
        ("attempts of a second", is.seconds[1].attempts, 2),
        ("failures of a second", is.seconds[1].failed, 1),
    ])
}

fn part() -> Result<(), Failed> {
    let little = Little::new();
    let time = 2 * SECOND..3 * SECOND;
    let second = little.statistics(&Selection { time, ..Selection::default() });
    let bob = Some(HashSet::from([Name::new("bob")]));
    let bob = little.statistics(&Selection { clients: bob, ..Selection::default() });
    all_are(&[
        ("offered in a second", second.offered, 1),
        ("attempts in a second", second.attempts, 2),
        ("deliveries of a second", second.to_delivery.count, 3),
        ("absences of a second", second.back.count, 0),
        ("offered by bob", bob.offered, 1),
        ("delivered to bob", bob.to_delivery.count, 5),
        ("absences of bob", bob.back.count, 0),
    ])
}
