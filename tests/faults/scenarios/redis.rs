//! R: Redis dies, hangs, or lies.
use std::time::Duration;

use super::{Scenario, scenario, settings};
use crate::{
    checker::{Permissions, Selection, Target, What},
    proxy::{Verb, Way},
    records::{Event, Micros},
    run::Run,
    stage::{Stage, redis_of},
    story::Story,
    swarm::{Load, Swarm},
};

/// Acks come again so soon after Redis does.
const ACKS_WITHIN: Duration = Duration::from_secs(3);
/// A node that knows that Redis is away says so at once; and on a busy machine, but for the time of
/// a command.
const AT_ONCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(50));
/// After so long it knows.
const KNOWS_AFTER: Micros = 2_000_000;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("R1", "kill -9 of Redis (AOF always), started again after 5 s", r1).short(),
        scenario("R2", "kill -9 of Redis (AOF everysec), started again after 5 s", r2),
        scenario("R3", "SIGSTOP of Redis for 10 s", r3).short(),
        scenario("R7", "CLIENT KILL TYPE pubsub every 2 s", r7).short(),
        scenario("R9", "each 200th reply of Redis lost, its connection with it", r9).short(),
        scenario("R10", "one node cut off from Redis for 20 s", r10),
        scenario("R11", "what Redis says to one node is lost for 20 s", r11),
        scenario("R12", "200 ms +- 50 ms between nodes and Redis", r12),
    ]
}

async fn r1(run: Run) -> Story {
    killed(run, "always").await
}

async fn r2(run: Run) -> Story {
    killed(run, "everysec").await
}

async fn killed(run: Run, appendfsync: &str) -> Story {
    let redis = redis_of(&run, &["--appendfsync", appendfsync]);
    let stage = Stage::on_redis_of(&run, settings(), redis, |plan| plan).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    stage.redis().kill().await;
    run.lasts(Duration::from_secs(5)).await;
    stage.redis().start_again().await;
    swarm.acks(run.scaled(200, 800)).await;
    run.settled(&stage, &swarm).await;

    let at_once = run.scaled(AT_ONCE.0, AT_ONCE.1);
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    refused_at_once(&mut story, at_once);
    acks_resume(&mut story);
    story
}

async fn r3(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    stage.redis().stop();
    run.lasts(Duration::from_secs(10)).await;
    stage.redis().go_on();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    story
}

async fn r7(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 800)).await;
    run.baseline(&stage).await;

    for _ in 0..run.scaled(4, 30) {
        stage.redis().run("CLIENT KILL TYPE pubsub").await.expect("Redis is there");
        run.lasts(Duration::from_secs(2)).await;
    }
    swarm.acks(run.scaled(50, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    story
}

async fn r9(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 800)).await;

    let every = run.scaled(60, 200);
    for node in &stage.nodes {
        node.redis().fails(Verb::LoseReply { every, cut: true });
    }
    swarm.acks(run.scaled(150, 3_000)).await;
    for node in &stage.nodes {
        node.redis().heals();
    }
    swarm.acks(run.scaled(50, 800)).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    story
}

async fn r10(run: Run) -> Story {
    one_node_without_redis(run, Verb::Blackhole).await
}

async fn r11(run: Run) -> Story {
    one_node_without_redis(run, Verb::HalfOpen(Way::Down)).await
}

async fn one_node_without_redis(run: Run, verb: Verb) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    stage.node(1).redis().fails(verb);
    run.lasts(Duration::from_secs(20)).await;
    stage.node(1).redis().heals();
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    nobody_was_cut_off(&mut story);
    story
}

async fn r12(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let late = Verb::Delay { by: Duration::from_millis(200), jitter: Duration::from_millis(50) };
    for node in &stage.nodes {
        node.redis().fails(late);
    }
    swarm.acks(run.scaled(100, 800)).await;
    for node in &stage.nodes {
        node.redis().heals();
    }

    run.end(stage, swarm, Permissions::default()).await
}

/// Sockets are kept while Redis is away.
pub(super) fn nobody_was_cut_off(story: &mut Story) {
    let all = story.run.clients.len();
    let cut = all - story.never_cut_off().len();
    story.must(cut == 0, || format!("{cut} of {all} clients lost their connection"));
}

/// From when a node knows that Redis is away until it is back.
fn refused_at_once(story: &mut Story, at_once: Duration) {
    let (killed, started) = (store_is(story, What::Killed), store_is(story, What::Started));
    let known = Selection { time: killed + KNOWS_AFTER..started, clients: None };
    let refusals = story.of_part(&known).to_refusal;
    story.remark(format!("refusals while it is known {refusals}"));
    // The 99th of a hundred belongs to the machine as much as to us.
    let p50 = Duration::from_micros(refusals.p50);
    story.must(p50 <= at_once, || format!("refused after {p50:?} (p50), more than {at_once:?}"));
}

/// Acks come again when Redis does.
fn acks_resume(story: &mut Story) {
    let started = store_is(story, What::Started);
    let acked = |record: &&crate::records::Record| {
        record.at > started && matches!(record.event, Event::Acked { .. })
    };
    let clients = story.run.clients.iter();
    let first = clients.filter_map(|client| Some(client.records.iter().find(acked)?.at)).min();
    let resumed = first.map_or(Micros::MAX, |first| first - started);
    story.at_most("acks again after", resumed, ACKS_WITHIN);
}

/// When this was last done to the store.
fn store_is(story: &Story, what: What) -> Micros {
    let faults = story.run.facts.faults.iter().rev();
    let mut found = faults.filter(|fault| fault.target == Target::Store && fault.what == what);
    found.next().unwrap_or_else(|| panic!("the store was never {what:?}")).at
}
