//! R: Redis loses what it had: the power fails, its volume is empty, it is flushed, keys are evicted.
mod power;

use std::time::Duration;

use self::power::Power;
pub(crate) use self::power::trial as power_trial;
use super::{Scenario, impossible, scenario, settings};
use crate::{
    checker::{Allowance, Loss, Permissions, Target, What},
    common::eventually_within,
    records::Micros,
    run::Run,
    stage::{Stage, redis_of},
    story::Story,
    swarm::{Load, Swarm, hot},
};

/// Who is online is known again so soon after Redis has forgotten it.
const SHOWN_AGAIN_WITHIN: Micros = 60_000_000;
/// After FLUSHALL something can be said again.
const SAID_AGAIN_WITHIN: Duration = Duration::from_secs(2);
/// What `everysec` may lose: a second, and a write that takes as long.
const LOST_AT_MOST: Micros = 2_000_000;

pub(super) fn all() -> Vec<Scenario> {
    let disk = "power loss: the file as it was at the last fsync (AOF always)";
    let process = "power loss, as R5 (AOF everysec)";
    let mut all = vec![
        scenario("R6", "kill -9 of Redis, started again with an empty volume", r6),
        scenario("R14", "the meta of a room is evicted, then its log", r14),
        scenario("R16", "FLUSHALL under load", r16),
    ];
    if Power::can_fail() {
        all.extend([scenario("R5", disk, r5), scenario("R5b", process, r5_everysec)]);
    } else {
        let why = "there is no strace here, or it may not watch another process";
        all.extend([impossible("R5", disk, why), impossible("R5b", process, why)]);
    }
    all
}

async fn r5(run: Run) -> Story {
    let redis = redis_of(&run, &["--appendfsync", "always"]);
    let stage = Stage::on_redis_of(&run, settings(), redis, |plan| plan).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;

    // Twenty under three seeds.
    for _ in 0..run.scaled(2, 7) {
        let power = Power::watch(stage.redis());
        swarm.acks(run.scaled(30, 150)).await;
        power.fails(stage.redis()).await;
        stage.redis().start_again().await;
    }
    swarm.acks(run.scaled(50, 400)).await;

    run.end(stage, swarm, Permissions::default()).await
}

async fn r5_everysec(run: Run) -> Story {
    let redis = redis_of(&run, &["--appendfsync", "everysec"]);
    let stage = Stage::on_redis_of(&run, settings(), redis, |plan| plan).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;

    let power = Power::watch(stage.redis());
    swarm.acks(run.scaled(30, 300)).await;
    let failed = run.notes.clock.now();
    let unsynced = power.fails(stage.redis()).await;
    stage.redis().start_again().await;
    let back = run.notes.clock.now();
    swarm.acks(run.scaled(50, 400)).await;

    // Beyond the two seconds before it, nothing acked may be missing.
    let loss = Loss::AckedBetween { from: failed.saturating_sub(LOST_AT_MOST), to: back };
    let permissions = Permissions { loss, ..Permissions::default() }.allow(Allowance::Resets);
    let mut story = run.end(stage, swarm, permissions).await;
    let gone = story.statistics.lost;
    story.remark(format!("{unsynced} bytes were not on the disk, {gone} acked messages lost"));
    story
}

async fn r6(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;

    stage.redis().kill().await;
    stage.redis().start_empty().await;
    swarm.acks(run.scaled(100, 800)).await;

    let mut story = run.end(stage, swarm, all_forgotten()).await;
    everybody_was_reset(&mut story);
    story
}

async fn r16(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;

    let flushed = run.notes.clock.now();
    stage.redis().suffers("FLUSHALL").await;
    run.notes.fault(Target::Store, What::Healed);
    swarm.acks(run.scaled(10, 20)).await;
    let said = run.notes.clock.now();
    swarm.acks(run.scaled(100, 800)).await;

    let mut story = run.end(stage, swarm, all_forgotten()).await;
    story.at_most("said again after", said - flushed, SAID_AGAIN_WITHIN);
    everybody_was_reset(&mut story);
    story
}

fn all_forgotten() -> Permissions {
    Permissions {
        loss: Loss::EarlierEpochs,
        ghost_within: SHOWN_AGAIN_WITHIN,
        shown_within: SHOWN_AGAIN_WITHIN,
        ..Permissions::default()
    }
    .allow(Allowance::Resets)
}

/// Each in each room, once; whether old and new were ever mixed is V5's.
fn everybody_was_reset(story: &mut Story) {
    let (resets, lists) = (story.statistics.resets, lists(story));
    story.remark(format!("{resets} resets of {lists} lists"));
    story.must(resets >= lists, || format!("{resets} resets, and {lists} lists were forgotten"));
    story.must(resets <= lists * 2, || format!("{resets} resets of {lists} lists"));
}

/// Lists that clients had of rooms.
fn lists(story: &Story) -> u64 {
    let rooms = |client: &crate::records::ClientRecords| {
        let joined = client.records.iter().filter_map(|record| match &record.event {
            crate::records::Event::Joined { page, .. } => Some(page.room),
            _ => None,
        });
        joined.collect::<std::collections::BTreeSet<_>>().len() as u64
    };
    story.run.clients.iter().map(rooms).sum()
}

async fn r14(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let redis = stage.redis();
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;

    // What allkeys-lru would take, and when, is chance; the two keys it may take of a room are not.
    let room = hot();
    redis.suffers(&format!("UNLINK {{r:{room}}}:meta")).await;
    swarm.acks(run.scaled(60, 400)).await;
    redis.run(&format!("UNLINK {{r:{room}}}:log")).await.expect("Redis is there");
    run.notes.fault(Target::Store, What::Healed);
    swarm.acks(run.scaled(60, 400)).await;

    // A node that starts now says what is wrong with this Redis.
    redis.run("CONFIG SET maxmemory 1gb").await.expect("Redis is there");
    redis.run("CONFIG SET maxmemory-policy allkeys-lru").await.expect("Redis is there");
    stage.node(2).terminate();
    stage.node(2).ended().await;
    stage.node(2).start_again().await;
    let warned = || async { stage.node(2).said_of("maxmemory-policy noeviction").then_some(()) };
    eventually_within(Duration::from_secs(10), "the node warns of eviction", warned).await;
    let loss = Loss::AckedBetween { from: 0, to: run.notes.clock.now() };
    swarm.all_live().await;
    swarm.acks(run.scaled(60, 400)).await;

    let permissions = Permissions { loss, ..Permissions::default() }
        .allow(Allowance::Resets)
        .allow(Allowance::Truncations);
    let mut story = run.end(stage, swarm, permissions).await;
    let gone = story.statistics.lost;
    story.remark(format!("{gone} acked messages went with the log"));
    story
}
