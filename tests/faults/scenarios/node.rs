//! N: a node dies, hangs, or goes away.
use std::{collections::HashSet, time::Duration};

use rand::RngExt;

use super::{Scenario, scenario, settings};
use crate::{
    checker::{Permissions, Selection},
    common::{eventually, eventually_within, patiently},
    proxy::{Verb, Way},
    records::{Event, Mid, Name},
    run::Run,
    stage::{Node, Stage},
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport, hot, new_mid},
};

/// A dead node's users are gone by then, if they do not come back.
pub(super) const REAPED_WITHIN: Duration = Duration::from_secs(15);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("N1", "kill -9 of a node under load, started again later", n1).short().alone(),
        scenario("N2", "kill -9 between the store's reply and the ack", n2).short(),
        scenario("N3", "kill -9 between receiving a message and appending it", n3).short(),
        scenario("N6", "SIGTERM of a node under load, five of its clients stalled", n6).short(),
    ]
}

async fn n1(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let load = run
        .scaled(Load::usual(&run), Load { members: 120, rooms: 20, a_second: 1_000.0, stock: 4 });
    let swarm = Swarm::start(&run, &stage, load).await;
    let homebodies = homebodies(&swarm, 2).await;
    swarm.acks(run.scaled(150, 10_000)).await;
    run.baseline(&stage).await;

    let killed = run.notes.clock.now();
    stage.node(2).kill().await;
    let gone: HashSet<Name> = homebodies.iter().filter_map(|seat| seat.status().user).collect();
    eventually_gone(&swarm, &gone, 2).await;
    let reaped = run.notes.clock.now();
    stage.node(2).start_again().await;
    swarm.acks(run.scaled(150, 10_000)).await;
    run.settled(&stage, &swarm).await;

    let full = run.scaled(false, true);
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    // Those of whom nobody but node 2 knew came back when it did.
    let returned = story.of_part(&story.everybody_but(&homebodies));
    story.at_most("clients complete, p99", returned.complete.p99, Duration::from_secs(8));
    story.at_most("clients complete, max", returned.complete.max, Duration::from_secs(15));
    story.at_most("ghosts gone after", reaped - killed, REAPED_WITHIN);
    if full {
        let survivors = story.never_cut_off();
        let part = |time| Selection { time, clients: Some(survivors.clone()) };
        let before = story.of_part(&part(0..killed)).to_delivery.p99;
        let during = story.of_part(&part(killed..reaped)).to_delivery.p99;
        // Below a quarter of a second the two cores speak, which the swarm shares.
        let most = Duration::from_micros(before * 2).max(Duration::from_millis(250));
        story.at_most("survivors' delivery meanwhile, p99", during, most);
    }
    story
}

/// Three users who know no node but this one, so that they do not come back before it does.
pub(super) async fn homebodies(swarm: &Swarm, node: usize) -> Vec<Seat> {
    let one = |n| {
        let spec = swarm.spec(&format!("home-{}", n + 1), 2, None);
        let ways = vec![swarm.doors.to(node).at()];
        swarm.add(Spec { ways, transport: Transport::WebSocket, ..spec })
    };
    let seats: Vec<Seat> = (0..3).map(one).collect();
    for seat in &seats {
        seat.is_live().await;
    }
    seats
}

/// Until no watcher but that of their node sees them any more; what they see meanwhile is for the
/// checker.
pub(super) async fn eventually_gone(swarm: &Swarm, gone: &HashSet<Name>, node: usize) {
    eventually_within(REAPED_WITHIN * 4, "the dead are gone", || async {
        let seen = swarm.watch_but(node).await;
        (!seen.is_empty() && seen.iter().all(|user| !gone.contains(user))).then_some(())
    })
    .await;
}

/// How often a node is killed in the middle of an append.
fn rounds(run: &Run) -> usize {
    // A hundred under three seeds.
    run.scaled(8, 34)
}

async fn n2(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm =
        Swarm::start(&run, &stage, Load { members: 6, rooms: 1, a_second: 10.0, stock: 0 }).await;
    let ada = somebody(&swarm).await;
    // Redis knows the script by then; it takes another round trip to teach it.
    swarm.acks(10).await;
    let mut said = Vec::new();
    for round in 0..rounds(&run) {
        let node = node_of(&stage, &ada);
        node.redis().fails(Verb::HalfOpen(Way::Down));
        let mid = ada.says(hot(), &format!("stored and not acked {round}"));
        is_in_redis(&stage, &mid).await;

        node.kill().await;
        node.redis().heals();
        is_acked(&ada).await;
        node.start_again().await;
        said.push(mid);
    }

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let wrong = said.iter().filter(|mid| acks_of(&story, &ada, mid) != [true]).count();
    story.must(wrong == 0, || format!("{wrong} retries were not told they were a dup"));
    story.remark(format!("{} of {} retries were a dup", said.len() - wrong, said.len()));
    story
}

async fn n3(mut run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm =
        Swarm::start(&run, &stage, Load { members: 6, rooms: 1, a_second: 10.0, stock: 0 }).await;
    let ada = somebody(&swarm).await;
    // Redis knows the script by then; it takes another round trip to teach it.
    swarm.acks(10).await;
    let mut lost = Vec::new();
    for round in 0..rounds(&run) {
        let node = node_of(&stage, &ada);
        node.redis().fails(Verb::HalfOpen(Way::Up));
        // Waited for before it can come.
        let mid = new_mid();
        let arrived = node.redis().sees(Way::Up, mid.as_str().as_bytes());
        ada.says_as(mid, hot(), &format!("received and not stored {round}"));
        patiently("the append is on its way", arrived).await;

        node.kill().await;
        // Half of them are on the wire when the node dies, and reach Redis while the retry does.
        if run.choices.random_bool(0.5) {
            node.redis().is_cut();
            lost.push(mid);
        }
        node.redis().heals();
        is_acked(&ada).await;
        node.start_again().await;
    }

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let wrong = lost.iter().filter(|mid| acks_of(&story, &ada, mid) != [false]).count();
    story.must(wrong == 0, || format!("{wrong} that never reached Redis were called a dup"));
    story
}

/// Somebody who speaks only when told to.
async fn somebody(swarm: &Swarm) -> Seat {
    let ada = swarm.add(Spec { transport: Transport::WebSocket, ..swarm.spec("ada", 0, None) });
    ada.is_live().await;
    ada
}

fn node_of<'a>(stage: &'a Stage, seat: &Seat) -> &'a Node {
    let at = seat.status().node.expect("it is connected");
    stage.nodes.iter().find(|node| node.name == at).expect("one of ours")
}

async fn is_in_redis(stage: &Stage, mid: &Mid) {
    stage.redis().says(&format!("KEYS *:idem:*:{mid}"), |said| !said.starts_with("*0")).await;
}

/// Waits until everything it said has been answered for good, and it is at home again.
async fn is_acked(seat: &Seat) {
    eventually(&format!("{} has said everything", seat.name), || async {
        let status = seat.status();
        (status.unsent == 0 && status.is_live()).then_some(())
    })
    .await;
}

/// Whether each ack of a message said `dup`.
fn acks_of(story: &Story, seat: &Seat, of: &Mid) -> Vec<bool> {
    let acks = story.records(seat.name).records.iter().filter_map(|record| match &record.event {
        Event::Acked { mid, dup, .. } if mid == of => Some(*dup),
        _ => None,
    });
    acks.collect()
}

async fn n6(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let stalled = stalled(&swarm, 2, 5).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    stage.node(2).terminate();
    // The checker wants exit code 0, within the bound.
    stage.node(2).ended().await;
    swarm.acks(run.scaled(100, 800)).await;
    stage.node(2).start_again().await;
    stalled.iter().for_each(Seat::thaws);
    swarm.acks(run.scaled(100, 800)).await;
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let draining = story.statistics.refused.get("draining").copied().unwrap_or_default();
    story.must(draining == 0, || format!("{draining} messages were refused because of the drain"));
    story
}

/// So many at this node who read and answer nothing.
pub(super) async fn stalled(swarm: &Swarm, node: usize, count: usize) -> Vec<Seat> {
    let seats = stalling(swarm, node, count).await;
    seats.iter().for_each(Seat::freezes);
    seats
}

/// The same, who do so when they are told.
pub(super) async fn stalling(swarm: &Swarm, node: usize, count: usize) -> Vec<Seat> {
    let one = |n| {
        let spec = swarm.spec(&format!("stalled-{}", n + 1), 1, None);
        let ways = swarm.doors.from(node - 1);
        swarm.add(Spec { ways, transport: Transport::WebSocket, ..spec })
    };
    let seats: Vec<Seat> = (0..count).map(one).collect();
    for seat in &seats {
        seat.is_live().await;
    }
    seats
}
