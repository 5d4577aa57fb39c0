//! C: the network and the clients.
use std::time::Duration;

use super::{Scenario, scenario, settings};
use crate::{
    checker::Permissions,
    common::eventually,
    proxy::{Plan, Verb},
    records::Name,
    run::Run,
    stage::{Doors, Stage},
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport, hot, new_mid},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("C2", "a client's link cut for 40 s, then back", c2),
        scenario("C3", "a client goes on at another node, its old connection half open", c3)
            .short(),
        scenario("C4", "a client in the hot room stops reading", c4).short(),
        scenario("C7", "each message sent at once to three nodes under one mid", c7).short(),
        scenario("C8", "what the nodes say to a client is lost for 2 s", c8),
    ]
}

async fn c2(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, doors) = apart(&stage, &swarm, "ada", |plan| plan).await;
    swarm.acks(run.scaled(50, 600)).await;

    all_fail(&doors, Verb::Blackhole);
    run.lasts(Duration::from_secs(40)).await;
    all_heal(&doors);
    ada.is_live().await;
    swarm.acks(run.scaled(50, 600)).await;

    run.end(stage, swarm, Permissions::default()).await
}

async fn c3(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, doors) = apart(&stage, &swarm, "ada", |plan| plan).await;
    swarm.acks(run.scaled(50, 600)).await;

    // Node 1 does not hear that she is gone before her pings have run out.
    doors.to(1).fails(Verb::Blackhole);
    ada.moves_to(2);
    ada.is_live().await;
    swarm.acks(run.scaled(100, 800)).await;
    doors.to(1).heals();
    swarm.acks(run.scaled(50, 600)).await;

    run.end(stage, swarm, Permissions::default()).await
}

async fn c4(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, _doors) = apart(&stage, &swarm, "ada", Plan::narrow).await;
    swarm.acks(run.scaled(50, 600)).await;

    ada.freezes();
    // As long as a dead client may go unnoticed, and a little more.
    run.lasts(Duration::from_secs(26)).await;
    ada.thaws();
    ada.is_live().await;
    swarm.acks(run.scaled(50, 600)).await;

    run.end(stage, swarm, Permissions::default()).await
}

async fn c7(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, _doors) = apart(&stage, &swarm, "ada", |plan| plan).await;
    let session = ada.status().session;
    let others = [2, 3].map(|node: usize| {
        let spec = swarm.spec(&format!("ada-{node}"), node - 1, None);
        let ways = swarm.doors.from(node - 1);
        let transport = Transport::WebSocket;
        swarm.add(Spec { ways, transport, session: session.clone(), ..spec })
    });
    for seat in &others {
        seat.is_live().await;
    }

    let all = [&ada, &others[0], &others[1]];
    for round in 0..run.scaled(30, 300) {
        let mid = new_mid();
        for seat in all {
            seat.says_as(mid, hot(), &format!("from three at once {round}"));
        }
        for seat in all {
            eventually("all three are answered", || async { seat.has_said_all().then_some(()) })
                .await;
        }
    }

    // One in the log and three equal acks: V2 and V8.
    run.end(stage, swarm, Permissions::default()).await
}

async fn c8(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let (ada, doors) = apart(&stage, &swarm, "ada", |plan| plan).await;
    ada.talks(true);
    swarm.acks(run.scaled(50, 600)).await;

    all_fail(&doors, Verb::HalfOpen(crate::proxy::Way::Down));
    run.lasts(Duration::from_secs(2)).await;
    all_fail(&doors, Verb::Reset);
    all_heal(&doors);
    swarm.acks(run.scaled(50, 600)).await;

    run.end(stage, swarm, Permissions::default()).await
}

/// Somebody in the hot room whose ways to the nodes are nobody else's.
pub(super) async fn apart(
    stage: &Stage,
    swarm: &Swarm,
    name: &str,
    fit: impl Fn(Plan) -> Plan,
) -> (Seat, std::sync::Arc<Doors>) {
    let doors = stage.doors_for(Name::new(name), fit);
    let spec = swarm.spec(name, 0, Some(5.0));
    let ada = swarm.add(Spec { ways: doors.from(0), transport: Transport::WebSocket, ..spec });
    ada.is_live().await;
    (ada, doors)
}

pub(super) fn all_fail(doors: &Doors, verb: Verb) {
    doors.paths.iter().for_each(|path| path.fails(verb));
}

pub(super) fn all_heal(doors: &Doors) {
    doors.paths.iter().for_each(crate::stage::Path::heals);
}
