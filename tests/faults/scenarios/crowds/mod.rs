//! C: many clients at once: those who stall, who come back together, who leave half-way in.
mod raw;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use self::raw::Half;
use super::{
    Scenario,
    clients::{all_fail, all_heal, apart},
    machine::{is_all_said, speaker},
    node::stalled,
    scenario, settings,
};
use crate::{
    checker::{Allowance, Permissions, Selection, Target, What},
    common::eventually_within,
    proxy::{Plan, Verb},
    records::{Event, Micros, Name},
    run::Run,
    stage::{Node, Stage},
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport, hot},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("C1", "one packet in ten lost between clients and nodes, as TCP shows it", c1),
        scenario("C5", "fifty clients stall, and their node is told to end", c5),
        scenario("C6", "a client takes 200 bytes a second in a busy room", c6),
        scenario("C9", "a crowd comes back to one room at once, 500 messages behind", c9),
        scenario("C10", "a member is away longer than the room remembers", c10),
        scenario("C11", "kill -9 of a node with a crowd of idle clients", c11).alone(),
        scenario("C12", "polling without stickiness", c12),
        scenario("C13", "changes from polling to WebSocket that are given up half-way", c13),
        scenario("C14", "a send as soon as CONNECT is answered, by thousands", c14).short(),
        scenario("C15", "20,000 sends on one connection in one breath", c15).short(),
    ]
}

/// How soon TCP sends again what was lost, at the least.
const SENT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The kernel could drop packets, but only for root and for everybody; what an application sees of
/// it is that some come late, and all others behind them.
async fn c1(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    all_fail(&swarm.doors, Verb::Loss { of_hundred: 10, again: SENT_AGAIN_AFTER });
    run.lasts(run.scaled(Duration::from_secs(8), Duration::from_secs(20))).await;
    all_heal(&swarm.doors);
    swarm.acks(run.scaled(50, 400)).await;
    run.settled(&stage, &swarm).await;

    run.end(stage, swarm, Permissions::default()).await
}

async fn c5(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let stalled = stalled(&swarm, 2, run.scaled(15, 50)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    stage.node(2).terminate();
    // The checker wants exit code 0, within the bound.
    stage.node(2).ended().await;
    stage.node(2).start_again().await;
    stalled.iter().for_each(Seat::thaws);
    swarm.acks(run.scaled(50, 400)).await;
    run.settled(&stage, &swarm).await;

    run.end(stage, swarm, Permissions::default()).await
}

/// After the oldest unsent byte is too old (`limits.unsent_age`, 10 s), so soon it is closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

async fn c6(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, doors) = apart(&stage, &swarm, "ada", Plan::narrow).await;
    let speakers: Vec<Seat> = (0..4).map(|n| speaker(&swarm, n)).collect();
    for seat in &speakers {
        seat.is_live().await;
    }
    swarm.acks(run.scaled(50, 400)).await;
    // The allocator keeps some of what a flood has taken; another must not take more.
    flood(&speakers).await;
    run.baseline(&stage).await;

    let before = ada.status().connections;
    all_fail(&doors, Verb::Rate(200));
    flood(&speakers).await;
    let flooded = run.notes.clock.now();
    let closed = || async {
        let closed = stage.node(1).metric("hubbub_slow_closed_total", "").await;
        (closed > 0.0).then_some(())
    };
    eventually_within(CLOSED_WITHIN * 3, "the node closes who is too slow", closed).await;
    let closed = run.notes.clock.now();
    all_heal(&doors);
    ada.is_live().await;
    speakers.iter().for_each(Seat::closes);
    swarm.acks(run.scaled(50, 400)).await;
    run.settled(&stage, &swarm).await;

    let again = ada.status().connections > before;
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(again, || "ada never came back on another connection".to_owned());
    story.at_most("closed after the flood, at most", closed - flooded, CLOSED_WITHIN);
    story
}

/// More than the kernel takes in, which a node does not see, and the limit on top.
async fn flood(speakers: &[Seat]) {
    let text = "more than 200 bytes a second ".repeat(130);
    for n in 0..450 {
        for seat in speakers {
            seat.says(hot(), &format!("{n} {text}"));
        }
    }
    is_all_said(speakers).await;
}

/// Store reads that a crowd's coming back to one room may take, and how long it may take: five
/// seconds, after the six that a client may wait by itself before it knocks again.
const MOST_READS: f64 = 5.0;
const ALL_BACK_WITHIN: Duration = Duration::from_secs(11);

async fn c9(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let load = Load { members: 12, rooms: 1, a_second: 20.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let crowd_doors = stage.doors_for(Name::new("crowd"), |plan| plan);
    let crowd: Vec<Seat> = (0..run.scaled(30, 200))
        .map(|n| {
            let spec = swarm.spec(&format!("crowd-{n}"), n, None);
            let ways = crowd_doors.from(n);
            swarm.add(Spec { ways, rooms: vec![hot()], transport: Transport::WebSocket, ..spec })
        })
        .collect();
    join_all(crowd.iter().map(Seat::is_live)).await;
    let bob = swarm.add(Spec { transport: Transport::WebSocket, ..swarm.spec("bob", 1, None) });
    bob.is_live().await;
    swarm.acks(20).await;

    all_fail(&crowd_doors, Verb::Reset);
    for n in 0..490 {
        bob.says(hot(), &format!("missed by the crowd {n}"));
    }
    is_all_said(&[bob]).await;
    // They knock, and nobody answers yet: so that they come at once.
    all_fail(&crowd_doors, Verb::Blackhole);
    run.lasts(Duration::from_secs(6)).await;
    let before = store_reads(&stage).await;
    let began = Instant::now();
    let healed = run.notes.clock.now();
    all_heal(&crowd_doors);
    join_all(crowd.iter().map(Seat::is_live)).await;
    let took = began.elapsed();
    let back = run.notes.clock.now();
    let reads = store_reads(&stage).await - before;
    swarm.acks(50).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let took = Micros::try_from(took.as_micros()).unwrap_or(Micros::MAX);
    story.at_most("all back and complete after", took, ALL_BACK_WITHIN);
    // Each of three nodes for itself.
    story.remark(format!("{reads} reads of the store by three nodes"));
    story.must(reads <= MOST_READS * 3.0, || format!("{reads} reads of the store"));
    let meanwhile = Selection { time: healed..back, clients: None };
    let p99 = story.of_part(&meanwhile).to_delivery.p99;
    story.remark(format!("delivery meanwhile, p99 {:?}", Duration::from_micros(p99)));
    story
}

async fn store_reads(stage: &Stage) -> f64 {
    let reads = stage.nodes.iter().map(|node| node.metric("hubbub_join_reads_total", "store"));
    join_all(reads).await.iter().sum()
}

async fn c10(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings().with("store.retention_messages", 100)).await;
    let load = Load { members: 12, rooms: 1, a_second: 20.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let doors = stage.doors_for(Name::new("ada"), |plan| plan);
    let ways = vec![doors.to(1).at()];
    let spec = swarm.spec("ada", 0, None);
    let ada = swarm.add(Spec { ways, transport: Transport::WebSocket, ..spec });
    ada.is_live().await;
    let bob = swarm.add(Spec { transport: Transport::WebSocket, ..swarm.spec("bob", 1, None) });
    bob.is_live().await;
    swarm.acks(20).await;

    all_fail(&doors, Verb::Reset);
    for n in 0..450 {
        bob.says(hot(), &format!("missed by ada {n}"));
    }
    is_all_said(&[bob]).await;
    // A node that was there all the time still has it all in memory.
    stage.node(1).kill().await;
    stage.node(1).start_again().await;
    all_heal(&doors);
    ada.is_live().await;
    swarm.acks(50).await;

    let permissions = Permissions::default().allow(Allowance::Truncations);
    let mut story = run.end(stage, swarm, permissions).await;
    let is_told = |event: &Event| matches!(event, Event::Joined { truncated: true, .. });
    let told = story.records(ada.name).records.iter().any(|record| is_told(&record.event));
    story.must(told, || "ada was not told that something is missing".to_owned());
    story
}

/// Everybody is back so soon after a node with a crowd was lost.
const CROWD_BACK_WITHIN: Duration = Duration::from_secs(30);
/// What is said meanwhile, where nobody was cut off.
const HEARD_WITHIN: Duration = Duration::from_millis(500);
/// Idle clients in one room.
const IN_A_ROOM: usize = 20;

async fn c11(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let load = Load { members: 20, rooms: 2, a_second: 20.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let crowd: Vec<Seat> = (0..run.scaled(60, 2_000)).map(|n| idle(&swarm, n)).collect();
    join_all(crowd.iter().map(Seat::is_live)).await;
    swarm.acks(run.scaled(50, 200)).await;
    run.baseline(&stage).await;

    let killed = run.notes.clock.now();
    let began = Instant::now();
    let worked = [1, 3].map(|node| stage.node(node).worked()).iter().sum::<Duration>();
    stage.node(2).kill().await;
    let is_back = || async { crowd.iter().all(|seat| seat.status().is_live()).then_some(()) };
    eventually_within(Duration::from_mins(2), "the crowd is back", is_back).await;
    let (took, back) = (began.elapsed(), run.notes.clock.now());
    let worked = [1, 3]
        .map(|node| stage.node(node).worked())
        .iter()
        .sum::<Duration>()
        .saturating_sub(worked);
    let mut refused = 0.0;
    for node in [1, 3] {
        refused += stage.node(node).metric("hubbub_handshake_refused_total", "").await;
    }
    stage.node(2).start_again().await;
    swarm.acks(run.scaled(50, 200)).await;
    run.settled(&stage, &swarm).await;

    let full = run.scaled(false, true);
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.at_most("the crowd is back after", back - killed, CROWD_BACK_WITHIN);
    let share = worked.as_secs_f64() / took.as_secs_f64().max(0.001) * 50.0;
    story.remark(format!("each survivor took {share:.0} % of a processor meanwhile"));
    story.remark(format!("{refused} handshakes were answered 503"));
    let clients = Some(story.never_cut_off());
    let p99 = story.of_part(&Selection { time: killed..back, clients }).to_delivery.p99;
    let p99 = Duration::from_micros(p99);
    story.remark(format!("delivery between survivors, p99 {p99:?}"));
    story.must(!full || p99 <= HEARD_WITHIN, || format!("delivery between survivors: p99 {p99:?}"));
    story
}

/// One of a crowd: at node 2, in a room with a few others, and silent.
fn idle(swarm: &Swarm, n: usize) -> Seat {
    let spec = swarm.spec(&format!("idle-{n}"), n, None);
    let mut ways = swarm.doors.from(0);
    ways.swap(0, 1);
    // To the one or the other.
    if n % 2 == 1 {
        ways.swap(1, 2);
    }
    let rooms = vec![Name::new(&format!("idle-{}", n / IN_A_ROOM))];
    swarm.add(Spec { ways, rooms, transport: Transport::WebSocket, ..spec })
}

async fn c12(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    // With stickiness: a fifth of these polls, and each knows one address of each node.
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    // Without it, but by WebSocket alone: what the documents say to do.
    let ways = vec![swarm.doors.balancer.at()];
    let spec = Spec { ways, transport: Transport::WebSocket, ..swarm.spec("ada", 0, Some(5.0)) };
    let ada = swarm.add(spec);
    ada.is_live().await;
    ada.talks(true);

    let mut answers = Vec::new();
    for (at, other) in [(1, 2), (2, 3), (3, 1)] {
        let [at, other] = [at, other].map(|node| stage.node(node).address());
        answers.push(raw::polls_elsewhere(at, other).await);
    }
    swarm.acks(run.scaled(100, 800)).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let is_clean =
        |(status, body): &(u16, String)| *status == 400 && body.contains("Session ID unknown");
    story.must(answers.iter().all(is_clean), || format!("another node answers {answers:?}"));
    story
}

/// After `engine.upgrade_timeout` (10 s), and the time of a busy machine.
const RECLAIMED_WITHIN: Duration = Duration::from_secs(20);

async fn c13(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let load = Load { members: 12, rooms: 1, a_second: 20.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let node = stage.node(1);
    swarm.acks(20).await;

    given_up(&run, node).await;
    // The allocator keeps some of it for the next; another time must not take more.
    run.baseline(&stage).await;
    let took = given_up(&run, node).await;
    swarm.acks(50).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let took = Micros::try_from(took.as_micros()).unwrap_or(Micros::MAX);
    story.at_most("reclaimed after", took, RECLAIMED_WITHIN);
    story
}

/// So many begin to change and fall silent; how long it takes until the node has let all go.
async fn given_up(run: &Run, node: &Node) -> Duration {
    let before = node.descriptors();
    let mut halves = Vec::new();
    for _ in 0..run.scaled(50, 500) {
        halves.push(Half::of_an_upgrade(node.address()).await);
    }
    let abandoned = Instant::now();
    run.notes.fault(Target::NodePath(node.name), What::Broken);
    let reclaimed = || async { (node.descriptors() <= before + 2).then_some(()) };
    eventually_within(RECLAIMED_WITHIN * 3, "what was given up is reclaimed", reclaimed).await;
    run.notes.fault(Target::NodePath(node.name), What::Healed);
    abandoned.elapsed()
}

/// A room that only they write in: what they say is counted here, not by the checker.
fn apart_room() -> Name {
    Name::new("apart")
}

/// So many at once, below what the door lets in a second.
const AT_ONCE: usize = 50;

async fn c14(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings().with("server.session_rate", 10_000)).await;
    let load = Load { members: 6, rooms: 1, a_second: 10.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let rounds = run.scaled(4, 60);
    let mut answered = 0;
    for round in 0..rounds {
        let one = async |n: usize| {
            let at = stage.nodes[n % stage.nodes.len()].address();
            let name = format!("early-{round}-{n}");
            raw::says_at_once(at, &name, apart_room(), 1).await
        };
        let answers = join_all((0..AT_ONCE).map(one)).await;
        answered +=
            answers.iter().flat_map(|(all, _)| all).filter(|(_, said)| said["ok"] == true).count();
    }
    swarm.acks(10).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let all = rounds * AT_ONCE;
    story.remark(format!("{answered} of {all} were acked"));
    story.must(answered == all, || format!("{answered} of {all} were acked"));
    story
}

/// Sends in one breath; how many of them the rate limit lets pass at once
/// (`limits.message_burst`); and how much memory they may take.
const PIPELINED: usize = 20_000;
const BURST: usize = 1_000;
const MOST_MEMORY: u64 = 24 << 20;

async fn c15(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let load = Load { members: 6, rooms: 1, a_second: 10.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    swarm.acks(10).await;
    let node = stage.node(1);
    let count = run.scaled(PIPELINED / 10, PIPELINED);

    let before = node.memory();
    let (answers, dismissal) = raw::says_at_once(node.address(), "ada", apart_room(), count).await;
    let grown = node.memory().saturating_sub(before);
    swarm.acks(10).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let taken = answers.iter().filter(|(_, said)| said["ok"] == true);
    let taken: Vec<(usize, u64)> =
        taken.map(|(n, said)| (*n, said["seq"].as_u64().unwrap_or_default())).collect();
    let is_in_order = taken.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
    let refused =
        answers.iter().filter(|(_, said)| said["error"]["code"] == "rate_limited").count();
    story.remark(format!("{} taken, {refused} refused as rate_limited", taken.len()));
    story.remark(format!("the node grew by {} KiB", grown >> 10));
    story.must(is_in_order, || format!("out of order: {taken:?}"));
    story.must(taken.len() >= BURST.min(count), || format!("only {} were taken", taken.len()));
    let answered = answers.len();
    story.must(taken.len() + refused == answered, || "some were refused otherwise".to_owned());
    // Whoever is refused for ten seconds on end is sent away, and told why.
    match &dismissal {
        Some(notice) => {
            story.must(notice["code"] == "rate_limited", || format!("sent away: {notice}"));
            story.remark("it was sent away, and told why".to_owned());
        }
        None => story.must(answered == count, || format!("only {answered} were answered")),
    }
    story.must(grown <= MOST_MEMORY, || format!("the node grew by {grown} bytes"));
    story
}
