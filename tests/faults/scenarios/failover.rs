//! X: another Redis takes over.
use std::time::Duration;

use super::{Scenario, scenario, settings};
use crate::{
    checker::Permissions,
    records::Micros,
    run::Run,
    stage::{Stage, Store},
    story::Story,
    swarm::{Load, Swarm, hot},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("X2", "a planned SENTINEL FAILOVER", x2),
        scenario("X6", "kill -9 of a primary of a Redis Cluster", x6),
    ]
}

async fn x2(run: Run) -> Story {
    let stage = Stage::on_sentinel(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let Store::Sentinel(redis) = &stage.store else { unreachable!("as started") };
    swarm.acks(run.scaled(100, 3_000)).await;
    run.baseline(&stage);

    let old = redis.primary().await.expect("there is one").address();
    redis.fail_over().await;
    redis.fails_over_from(old).await;
    swarm.acks(run.scaled(100, 3_000)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nothing_said_for_at_most(&mut story, Duration::from_secs(3));
    story
}

async fn x6(run: Run) -> Story {
    let stage = Stage::on_cluster(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let Store::Cluster(redis) = &stage.store else { unreachable!("as started") };
    swarm.acks(run.scaled(100, 3_000)).await;
    run.baseline(&stage);

    let old = redis.owner_of(hot()).await;
    old.kill().await;
    swarm.acks(run.scaled(100, 3_000)).await;
    old.start_again().await;
    redis.is_whole().await;
    swarm.acks(run.scaled(100, 3_000)).await;
    run.settled(&stage, &swarm).await;

    run.end(stage, swarm, Permissions::default()).await
}

/// From the first send that failed to the next that succeeded.
fn nothing_said_for_at_most(story: &mut Story, most: Duration) {
    let outage = story.statistics.outage;
    let length = outage.map_or(0, |o| o.to.map_or(Micros::MAX, |to| to - o.from));
    story.at_most("nothing could be said for", length, most);
}
