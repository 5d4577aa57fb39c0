//! N: nodes stand still, come back from the dead, and are replaced one by one or all at once.
use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;

use super::{
    Scenario,
    node::{REAPED_WITHIN, eventually_gone, homebodies},
    scenario, settings,
};
use crate::{
    checker::Permissions,
    records::Name,
    run::Run,
    stage::{Node, Stage},
    story::Story,
    swarm::{Load, Seat, Swarm},
};

/// A rolling restart takes nobody's messages away for longer.
const GAP: Duration = Duration::from_secs(5);
/// Everybody is shown again so soon after all nodes were lost.
const SHOWN_AGAIN_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("N4", "SIGSTOP of a node for 8 s, less than is left of its lease (12 s)", n4),
        scenario("N5", "SIGSTOP of a node for 30 s, longer than its lease", n5),
        scenario("N7", "rolling restart of all three nodes under load", n7),
        scenario("N8", "kill -9 of all three nodes, started again after 5 s", n8),
    ]
}

async fn n4(run: Run) -> Story {
    // A lease was renewed up to 3.6 s ago, and 8 s are to be less than what is left.
    let stage = Stage::on_redis(&run, settings().with("presence.lease", "12s")).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    stage.node(2).stop();
    run.lasts(Duration::from_secs(8)).await;
    stage.node(2).go_on();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let reaped = reaped(&stage).await;
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(reaped == 0.0, || format!("{reaped} nodes were taken for dead"));
    story
}

/// How often a node has cleaned up after another.
async fn reaped(stage: &Stage) -> f64 {
    join_all(stage.nodes.iter().map(|node| node.metric("hubbub_reaped_total", "")))
        .await
        .iter()
        .sum()
}

async fn n5(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let homebodies = homebodies(&swarm, 2).await;
    let of_homebodies = |seat: &Seat| seat.status().user;
    let gone: HashSet<Name> = homebodies.iter().filter_map(of_homebodies).collect();
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    let stopped = run.notes.clock.now();
    stage.node(2).stop();
    let is_over = run.lasts(Duration::from_secs(30));
    let is_reaped = async {
        eventually_gone(&swarm, &gone, 2).await;
        run.notes.clock.now()
    };
    let ((), reaped_at) = tokio::join!(is_over, is_reaped);
    stage.node(2).go_on();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let reaped = reaped(&stage).await;
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(reaped >= 1.0, || "nobody took the node for dead".to_owned());
    story.at_most("its users gone after", reaped_at - stopped, REAPED_WITHIN);
    story
}

async fn n7(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    for node in &stage.nodes {
        node.terminate();
        // The checker wants exit code 0, within the bound.
        node.ended().await;
        node.start_again().await;
        swarm.all_live().await;
        swarm.acks(run.scaled(60, 400)).await;
    }
    run.settled(&stage, &swarm).await;

    // No resets, nothing truncated: what is not permitted is broken.
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let all = story.of_part(&story.everybody_but(&[]));
    let away = all.never_complete;
    story.must(away == 0, || format!("{away} clients never had everything again"));
    story.at_most("a client's gap, longest", all.complete.max, GAP);
    story
}

async fn n8(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    join_all(stage.nodes.iter().map(Node::kill)).await;
    run.lasts(Duration::from_secs(5)).await;
    join_all(stage.nodes.iter().map(Node::start_again)).await;
    let started = run.notes.clock.now();
    swarm.all_live().await;
    swarm.shown(&swarm.truth(), SHOWN_AGAIN_WITHIN * 2).await;
    let shown = run.notes.clock.now();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.at_most("everybody shown, and nobody else, after", shown - started, SHOWN_AGAIN_WITHIN);
    story
}
