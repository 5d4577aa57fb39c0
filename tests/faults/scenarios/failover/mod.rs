//! X: another Redis takes over.
mod slots;

use std::time::Duration;

use self::slots::moves_room_of;
use super::{Scenario, scenario, settings};
use crate::{
    checker::{Allowance, Loss, Permissions, Selection, Target, What},
    common::Settings,
    proxy::Verb,
    records::{Event, Micros},
    run::Run,
    stage::{Path, Stage, Store},
    story::Story,
    swarm::{Load, Swarm, hot},
};

/// What `down-after-milliseconds` of the sentinels is, and what electing another may add.
const FAILED_OVER_WITHIN: Duration = Duration::from_secs(8);
/// SENTINEL FAILOVER does not wait for the old primary: the sentinels leave it be for up to ten
/// seconds, in which it would take writes that will be gone. So writes are paused before.
const DEMOTED_WITHIN: Duration = Duration::from_secs(15);
/// How long an old primary stays cut off.
const ISOLATED_FOR: Duration = Duration::from_secs(12);
/// Each primary refuses writes that no replica would take.
const REPLICATED: [&str; 4] = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "5"];
/// Each write is on the disk before it is answered, and a replica may not have it yet.
const ON_DISK: [&str; 2] = ["--appendfsync", "always"];
/// After a slot has moved, its rooms are heard again.
const HEARD_AGAIN_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("X1", "kill -9 of the primary, level replica", x1),
        scenario("X2", "a planned SENTINEL FAILOVER, writes paused first", x2),
        scenario("X3", "primary and one node cut off from the rest for 12 s, level replica", x3),
        scenario("X4", "the same, level disk: a failover without replica acks", x4),
        scenario(
            "X5",
            "SIGSTOP of the primary for 10 s, then it goes on as a stale one, level disk",
            x5,
        ),
        scenario("X6", "kill -9 of a primary of a Redis Cluster", x6),
        scenario("X6b", "the slot of the hot room moves to another primary of a Cluster", x6_slot),
    ]
}

fn replicated() -> Settings {
    settings().with("store.durability", "replica")
}

/// What was written and never acked may have been heard from the old primary, and be gone: its
/// number is given again, which is told by a reset. That nothing acked is lost is demanded apart.
fn told_of_what_is_gone(from: Micros, to: Micros) -> Permissions {
    let loss = Loss::AckedBetween { from, to };
    Permissions { loss, ..Permissions::default() }.allow(Allowance::Resets)
}

fn nothing_acked_is_lost(story: &mut Story) {
    let lost = story.statistics.lost;
    story.must(lost == 0, || format!("{lost} acked messages are lost"));
}

async fn x1(run: Run) -> Story {
    let stage = Stage::on_sentinel_of(&run, replicated(), &REPLICATED).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let redis = stage.sentinel();
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    let began = run.notes.clock.now();
    let times = run.scaled(2, 7);
    // Twenty under three seeds.
    for _ in 0..times {
        let old = redis.primary().await.expect("there is one");
        old.kill().await;
        redis.fails_over_from(old.address()).await;
        swarm.acks(run.scaled(30, 150)).await;
        old.start_again().await;
        redis.is_whole().await;
    }
    let ended = run.notes.clock.now();
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, told_of_what_is_gone(began, ended)).await;
    nothing_acked_is_lost(&mut story);
    nothing_said_for_at_most(&mut story, FAILED_OVER_WITHIN);
    story.remark(format!("{times} primaries were killed"));
    story
}

async fn x3(run: Run) -> Story {
    let stage = Stage::on_sentinel_of(&run, replicated(), &REPLICATED).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    let (from, to) = isolated(&run, &stage).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, told_of_what_is_gone(from, to)).await;
    nothing_acked_is_lost(&mut story);
    // What was under way when it was cut off may have been acked just then.
    let (alone, others) = acked_by(&story, "node-1", from + 1_000_000..to);
    story.must(alone == 0, || format!("node 1 acked {alone} on its own"));
    story.must(others > 0, || "the others did not go on".to_owned());
    story.remark(format!("meanwhile node 1 acked {alone}, the others {others}"));
    story
}

async fn x4(run: Run) -> Story {
    let stage = Stage::on_sentinel_of(&run, settings(), &ON_DISK).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;

    let (from, to) = isolated(&run, &stage).await;
    swarm.acks(run.scaled(100, 800)).await;

    // Loss is what this level allows; that everybody is told, that all have one history afterwards,
    // and that nobody ever saw two texts at a number without a reset between, is V5.
    let mut story = run.end(stage, swarm, told_of_what_is_gone(from, to)).await;
    let lost = story.statistics.lost;
    story.remark(format!("{lost} acked messages are lost, as this level says"));
    story
}

/// The primary and node 1 see each other, and nobody else; from when to when.
async fn isolated(run: &Run, stage: &Stage) -> (Micros, Micros) {
    let redis = stage.sentinel();
    let old = redis.primary().await.expect("there is one").address();
    let number = redis.servers.iter().position(|server| server.address() == old);
    let number = number.expect("one of ours");
    let mut cut: Vec<&Path> = vec![&redis.among[number]];
    cut.extend([2, 3].map(|node| &stage.node(node).to_store[number]));
    let of_node = stage.node(1).to_store.iter().enumerate();
    cut.extend(of_node.filter(|(n, _)| *n != number).map(|(_, path)| path));

    let from = run.notes.clock.now();
    for path in &cut {
        path.fails(Verb::Blackhole);
    }
    run.lasts(ISOLATED_FOR).await;
    redis.fails_over_from(old).await;
    for path in &cut {
        path.heals();
    }
    redis.is_whole().await;
    (from, run.notes.clock.now())
}

/// Acks of this time given by a node, and by the others.
fn acked_by(story: &Story, node: &str, time: std::ops::Range<Micros>) -> (u64, u64) {
    let (mut by, mut others) = (0, 0);
    for client in &story.run.clients {
        let mut at = None;
        for record in &client.records {
            match &record.event {
                Event::Connected { node, .. } => at = Some(*node),
                Event::Acked { .. } if time.contains(&record.at) => {
                    let is_by = at.is_some_and(|at| at.as_str() == node);
                    *(if is_by { &mut by } else { &mut others }) += 1;
                }
                _ => {}
            }
        }
    }
    (by, others)
}

async fn x5(run: Run) -> Story {
    let stage = Stage::on_sentinel_of(&run, settings(), &ON_DISK).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let redis = stage.sentinel();
    swarm.acks(run.scaled(50, 400)).await;

    let from = run.notes.clock.now();
    let old = redis.primary().await.expect("there is one");
    old.stop();
    run.lasts(Duration::from_secs(10)).await;
    redis.fails_over_from(old.address()).await;
    old.go_on();
    redis.is_whole().await;
    let to = run.notes.clock.now();
    swarm.acks(run.scaled(100, 800)).await;

    let mut story = run.end(stage, swarm, told_of_what_is_gone(from, to)).await;
    let lost = story.statistics.lost;
    story.remark(format!("{lost} acked messages are lost, as this level says"));
    story
}

async fn x6_slot(run: Run) -> Story {
    let stage = Stage::on_cluster(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let Store::Cluster(redis) = &stage.store else { unreachable!("as started") };
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    run.notes.fault(Target::Store, What::Broken);
    moves_room_of(redis, hot()).await;
    run.notes.fault(Target::Store, What::Healed);
    let moved = run.notes.clock.now();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let after = Selection { time: moved..Micros::MAX, clients: None };
    let slowest = story.of_part(&after).to_delivery.max;
    story.at_most("what is said after it is delivered within", slowest, HEARD_AGAIN_WITHIN);
    story
}

async fn x2(run: Run) -> Story {
    let stage = Stage::on_sentinel_of(&run, settings(), &[]).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let redis = stage.sentinel();
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    // As docs/operations.md says.
    let old = redis.primary().await.expect("there is one");
    old.suffers("CLIENT PAUSE 20000 WRITE").await;
    redis.fail_over().await;
    redis.fails_over_from(old.address()).await;
    run.notes.fault(Target::Store, What::Healed);
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nothing_said_for_at_most(&mut story, DEMOTED_WITHIN);
    story
}

async fn x6(run: Run) -> Story {
    let stage = Stage::on_cluster(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let Store::Cluster(redis) = &stage.store else { unreachable!("as started") };
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    let old = redis.owner_of(hot()).await;
    old.kill().await;
    swarm.acks(run.scaled(100, 800)).await;
    old.start_again().await;
    redis.is_whole().await;
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    run.end(stage, swarm, Permissions::default()).await
}

/// From the first send that failed to the next that succeeded.
fn nothing_said_for_at_most(story: &mut Story, most: Duration) {
    let outage = story.statistics.outage;
    let length = outage.map_or(0, |o| o.to.map_or(Micros::MAX, |to| to - o.from));
    story.at_most("nothing could be said for", length, most);
}
