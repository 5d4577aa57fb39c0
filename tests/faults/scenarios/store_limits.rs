//! R: Redis stutters, is full, forgets its scripts, or keeps only little.
use std::time::Duration;

use super::{
    Scenario, impossible, machine::is_all_said, redis::nobody_was_cut_off, scenario, settings,
};
use crate::{
    checker::{Allowance, Permissions, Target, What},
    common::eventually_within,
    proxy::{Plan, Verb, Way},
    run::Run,
    stage::{SmallDisk, Stage, redis_of},
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport, hot},
};

/// Half a second of silence is no reason for anybody to wait longer.
const ACKED_WITHIN: Duration = Duration::from_secs(1);
/// What was missed while the node's own connection was cut is there again.
const REPAIRED_WITHIN: Duration = Duration::from_secs(2);
/// Whoever asks is answered, with what there is or a refusal.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How long Redis is full.
pub(super) const FULL_FOR: Duration = Duration::from_secs(8);
/// A memory that will not do, in bytes more than is used.
const LITTLE_MORE: u64 = 64 << 10;
/// Retention where it is to be short.
const KEPT: usize = 100;

pub(super) fn all() -> Vec<Scenario> {
    let disk = "the disk of Redis is full";
    vec![
        scenario("R4", "DEBUG SLEEP 0.5 every 3 s", r4),
        scenario("R8", "a node stands still, and Redis cuts off its subscriber as too slow", r8),
        scenario("R13", "maxmemory reached, noeviction", r13),
        if SmallDisk::can_be_had() {
            scenario("R15", disk, r15)
        } else {
            impossible("R15", disk, "a small disk cannot be mounted here; that takes root")
        },
        scenario("R17", "SCRIPT FLUSH under load", r17),
        scenario("R18", "CLIENT PAUSE 5000 WRITE", r18),
        scenario("R19", "a room's log is trimmed while a node stands still", r19),
    ]
}

async fn r4(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    for _ in 0..run.scaled(3, 10) {
        stage.redis().suffers("DEBUG SLEEP 0.5").await;
        run.lasts(Duration::from_millis(2_500)).await;
    }
    run.notes.fault(Target::Store, What::Healed);
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    nothing_was_refused(&mut story);
    story.at_most("acked, p99", story.statistics.to_ack.p99, ACKED_WITHIN);
    story
}

fn nothing_was_refused(story: &mut Story) {
    let refused = story.statistics.refused.clone();
    story.must(refused.is_empty(), || format!("refused: {refused:?}"));
}

async fn r8(run: Run) -> Story {
    let little = ["--client-output-buffer-limit", "pubsub 256kb 256kb 1"];
    let redis = redis_of(&run, &little);
    let stage = Stage::on_redis_of(&run, settings(), redis, Plan::bounded).await;
    let swarm =
        Swarm::start(&run, &stage, Load { members: 12, rooms: 1, a_second: 20.0, stock: 0 }).await;
    let speakers: Vec<Seat> = (0..8).map(|n| speaker(&swarm, n)).collect();
    for seat in &speakers {
        seat.is_live().await;
    }
    swarm.acks(50).await;

    // The path is held too: what lies in the kernel's buffers is then so little that Redis' own has
    // to hold the rest.
    stage.node(2).stop();
    stage.node(2).redis().fails(Verb::HalfOpen(Way::Down));
    let text = "flood ".repeat(600);
    for n in 0..300 {
        for seat in &speakers {
            seat.says(hot(), &format!("{n} {text}"));
        }
    }
    is_all_said(&speakers).await;
    let is_cut = || async { is_too_slow(&run).then_some(()) };
    eventually_within(Duration::from_secs(20), "Redis cuts the subscriber off", is_cut).await;
    stage.node(2).redis().heals();
    stage.node(2).go_on();
    let back = run.notes.clock.now();
    let caught_up = swarm.settles_at(hot(), stage.node(2).name, Duration::from_secs(30)).await;
    let took = run.notes.clock.now() - back;
    swarm.acks(50).await;

    let gaps = stage.node(2).metric("hubbub_fanout_gap_total", "").await;
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(gaps > 0.0, || "node 2 did not notice".to_owned());
    story.must(caught_up, || "node 2 did not catch up".to_owned());
    story.at_most("all there again after", took, REPAIRED_WITHIN);
    story
}

/// At node 1 or 3, in the hot room.
fn speaker(swarm: &Swarm, n: usize) -> Seat {
    let spec = swarm.spec(&format!("speaker-{}", n + 1), 0, None);
    let ways = vec![swarm.doors.to(1 + n % 2 * 2).at()];
    swarm.add(Spec { ways, transport: Transport::WebSocket, ..spec })
}

/// Whether Redis has logged that it cut somebody off.
fn is_too_slow(run: &Run) -> bool {
    let log = std::fs::read_to_string(run.notes.folder().join("redis.log"));
    log.unwrap_or_default().contains("overcoming of output buffer limits")
}

async fn r13(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    let used = stage.redis().info("used_memory").await;
    stage.redis().suffers(&format!("CONFIG SET maxmemory {}", used + LITTLE_MORE)).await;
    full(&run, &swarm).await;
    stage.redis().recovers("CONFIG SET maxmemory 0").await;
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    refused_as_unavailable(&mut story);
    story
}

/// Until sends are refused, and for a while; what is there can be read all the time.
async fn full(run: &Run, swarm: &Swarm) {
    swarm.refusals(run.scaled(10, 50)).await;
    let read = swarm.histories().await;
    assert!(read.iter().any(|history| !history.entries.is_empty()), "nothing can be read");
    run.lasts(FULL_FOR).await;
}

fn refused_as_unavailable(story: &mut Story) {
    let refused = story.statistics.refused.clone();
    let is_one = refused.keys().all(|code| *code == "unavailable");
    story.must(is_one && !refused.is_empty(), || format!("refused: {refused:?}"));
}

async fn r15(run: Run) -> Story {
    // With `always` Redis ends itself when it cannot write; with `everysec` it refuses.
    let redis = redis_of(&run, &[]);
    let disk = SmallDisk::at(redis.inner().folder(), 16);
    let stage = Stage::on_redis_of(&run, settings(), redis, |plan| plan).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;

    run.notes.fault(Target::Store, What::Broken);
    disk.fills();
    full(&run, &swarm).await;
    disk.has_room_again();
    run.notes.fault(Target::Store, What::Healed);
    swarm.acks(run.scaled(100, 800)).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    drop(disk);
    nobody_was_cut_off(&mut story);
    refused_as_unavailable(&mut story);
    story
}

async fn r17(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    for _ in 0..run.scaled(3, 10) {
        stage.redis().suffers("SCRIPT FLUSH").await;
        swarm.acks(run.scaled(20, 100)).await;
    }
    run.notes.fault(Target::Store, What::Healed);
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    nothing_was_refused(&mut story);
    story
}

async fn r18(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    stage.redis().suffers("CLIENT PAUSE 5000 WRITE").await;
    let asked = run.notes.clock.now();
    // A room's reads go down the connection of its writes, and may have to wait behind one.
    let read = swarm.reads_by(&swarm.seat("watcher-1"), hot()).await;
    let took = run.notes.clock.now() - asked;
    run.lasts(Duration::from_secs(5)).await;
    run.notes.fault(Target::Store, What::Healed);
    let over = run.notes.clock.now();
    swarm.acks(1).await;
    let said = run.notes.clock.now() - over;
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    let read = read.map_or_else(|code| format!("refused as {code}"), |_| "given".to_owned());
    story.remark(format!("a room that was asked for meanwhile was {read}"));
    story.at_most("an answer to who reads meanwhile, after", took, ANSWERED_WITHIN);
    story.at_most("said again after", said, ANSWERED_WITHIN);
    refused_as_unavailable(&mut story);
    story
}

async fn r19(run: Run) -> Story {
    let kept = settings().with("store.retention_messages", KEPT);
    let stage = Stage::on_redis(&run, kept).await;
    let swarm =
        Swarm::start(&run, &stage, Load { members: 12, rooms: 1, a_second: 20.0, stock: 0 }).await;
    let speakers: Vec<Seat> = (0..4).map(|n| speaker(&swarm, n)).collect();
    for seat in &speakers {
        seat.is_live().await;
    }
    swarm.acks(20).await;

    // What lies in its own buffers would reach it later: it is held, and then lost.
    stage.node(2).stop();
    stage.node(2).redis().fails(Verb::HalfOpen(Way::Down));
    // Redis trims by whole leaves of the stream: up to a hundred more are kept.
    for n in 0..KEPT * 3 / 2 {
        for seat in &speakers {
            seat.says(hot(), &format!("one of many {n}"));
        }
    }
    is_all_said(&speakers).await;
    run.lasts(Duration::from_secs(4)).await;
    stage.node(2).redis().is_cut();
    stage.node(2).redis().heals();
    stage.node(2).go_on();
    swarm.acks(50).await;

    let permissions = Permissions::default().allow(Allowance::Truncations);
    let mut story = run.end(stage, swarm, permissions).await;
    let told = story.statistics.truncations;
    story.must(told > 0, || "nobody was told that something is missing".to_owned());
    story
}
