//! N: what the machine under a node does: descriptors and memory run out, the clock jumps.
mod clock;

use std::{process::Command, time::Duration};

use tokio::net::TcpStream;

use self::clock::FalseClock;
use super::{Scenario, impossible, scenario, settings};
use crate::{
    checker::{Growth, Permissions, Target, What},
    common::eventually_within,
    run::Run,
    stage::{Node, Stage},
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport, hot},
};

pub(super) fn all() -> Vec<Scenario> {
    let step = "the clock of one node steps an hour on, and two back";
    vec![
        impossible(
            "N9",
            "panic in a handler",
            "nothing that a client can send panics, and no event is there to panic on purpose; a \
             handler that panics is tried within the process, by src/gateway/pipeline.rs",
        ),
        scenario("N10", "256 descriptors for a node, and 400 connections to it", n10),
        scenario("N11", "a node has 512 MiB, fifty of its clients stall, and all is flooded", n11),
        if FalseClock::can_be_had() {
            scenario("N12", step, n12)
        } else {
            impossible("N12", step, "there is no C compiler here to make a clock that is wrong")
        },
    ]
}

/// Descriptors a node is left with.
const DESCRIPTORS: usize = 256;
/// Connections on top of those it has.
const CONNECTIONS: usize = 400;
/// How much of a processor a node may take that cannot accept.
const MOST_WORK: f64 = 0.2;

async fn n10(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    // So little is said that what the node works is not that.
    let load = Load { members: 12, rooms: 1, a_second: 4.0, stock: 0 };
    let swarm = Swarm::start(&run, &stage, load).await;
    let node = stage.node(1);
    swarm.acks(10).await;
    run.baseline(&stage).await;

    let path = Target::NodePath(node.name);
    run.notes.fault(path, What::Broken);
    let before = limits(node, "nofile", &format!("{DESCRIPTORS}:"));
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS {
        crowd.push(TcpStream::connect(node.address()).await.unwrap());
    }
    let said = || async { node.said_of("cannot accept").then_some(()) };
    eventually_within(Duration::from_secs(10), "it has no descriptors left", said).await;
    let worked = node.worked();
    run.lasts(Duration::from_secs(5)).await;
    let share = node.worked().saturating_sub(worked).as_secs_f64() / 5.0;
    drop(crowd);
    limits(node, "nofile", &before);
    run.notes.fault(path, What::Healed);

    // Somebody new is let in again.
    let spec = swarm.spec("ada", 0, None);
    let ada = swarm.add(Spec { ways: vec![node.address()], ..spec });
    ada.is_live().await;
    ada.closes();
    swarm.acks(10).await;
    run.settled(&stage, &swarm).await;

    let full = run.scaled(false, true);
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let cut = story.run.clients.len() - story.never_cut_off().len();
    story.must(cut == 0, || format!("{cut} clients lost their connection"));
    let per_cent = share * 100.0;
    story.remark(format!("the node took {per_cent:.0} % of a processor without descriptors"));
    story.must(!full || share <= MOST_WORK, || format!("it spins: {per_cent:.0} %"));
    story
}

/// Sets a soft limit of a running process, which can be raised again; says what it was.
fn limits(node: &Node, what: &str, to: &str) -> String {
    let pid = node.process().id().to_string();
    let prlimit = |more: &[&str]| {
        let said = Command::new("prlimit").args(["--pid", &pid]).args(more).output();
        let said = said.unwrap_or_else(|error| panic!("prlimit cannot be started: {error}"));
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let name = format!("--{what}");
    let was = prlimit(&[&name, "--noheadings", "--raw", "--output", "SOFT"]);
    prlimit(&[&format!("--{what}={to}")]);
    format!("{}:", was.trim())
}

/// What a node may keep of a second flood more than of the first.
const FLOODED: u64 = 16 << 20;
/// The least that k8s/ gives a node.
const MEMORY: u64 = 512 << 20;

async fn n11(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let node = stage.node(2);
    swarm.acks(run.scaled(50, 400)).await;
    let stalling = super::node::stalling(&swarm, 2, run.scaled(10, 50)).await;
    let speakers: Vec<Seat> = (0..run.scaled(2, 6)).map(|n| speaker(&swarm, n)).collect();
    for seat in &speakers {
        seat.is_live().await;
    }

    // An allocation beyond it fails, which ends the process: V11.
    limits(node, "data", &format!("{MEMORY}:"));
    flood(&run, &stalling, &speakers).await;
    // The allocator keeps some of what a flood has taken; another must not take more. Whoever it
    // cut off has come back.
    swarm.all_live().await;
    run.baseline(&stage).await;
    flood(&run, &stalling, &speakers).await;
    let closed = node.metric("hubbub_slow_closed_total", "").await;
    swarm.acks(run.scaled(50, 400)).await;
    run.settled(&stage, &swarm).await;

    let full = run.scaled(false, true);
    // A flood is not the same twice, nor is what the allocator keeps of it.
    let growth = Growth { rss_bytes: FLOODED, ..Growth::default() };
    let mut story = run.end(stage, swarm, Permissions { growth, ..Permissions::default() }).await;
    story.remark(format!("{} slow clients were closed", closed.abs()));
    story.must(!full || closed > 0.0, || "nobody was closed as too slow".to_owned());
    story
}

/// These say much at once, while those read nothing; then all is read.
async fn flood(run: &Run, stalling: &[Seat], speakers: &[Seat]) {
    stalling.iter().for_each(Seat::freezes);
    let text = "flood ".repeat(600);
    // More than the kernel takes for each (4 MiB by default), and the limit on top.
    for n in 0..run.scaled(100, 400) {
        for seat in speakers {
            seat.says(hot(), &format!("{n} {text}"));
        }
    }
    is_all_said(speakers).await;
    // Until those who stall were given up.
    run.lasts(run.scaled(Duration::from_secs(1), Duration::from_secs(12))).await;
    stalling.iter().for_each(Seat::thaws);
    for seat in stalling {
        seat.is_live().await;
    }
}

pub(super) fn speaker(swarm: &Swarm, n: usize) -> Seat {
    let spec = swarm.spec(&format!("speaker-{}", n + 1), 0, None);
    let ways = swarm.doors.from(n);
    swarm.add(Spec { ways, transport: Transport::WebSocket, ..spec })
}

/// Until these have an answer to all they said.
pub(super) async fn is_all_said(seats: &[Seat]) {
    eventually_within(Duration::from_mins(2), "all is said", || async {
        seats.iter().all(Seat::has_said_all).then_some(())
    })
    .await;
}

const HOUR: i64 = 3_600;

async fn n12(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let node = stage.node(2);
    let clock = FalseClock::new();
    node.terminate();
    node.ended().await;
    clock.of_next(node);
    node.start_again().await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(100, 800)).await;
    run.baseline(&stage).await;

    for step in [HOUR, -HOUR, 0] {
        clock.is_off_by(step);
        swarm.acks(run.scaled(60, 400)).await;
        // Longer than a lease.
        run.lasts(Duration::from_secs(11)).await;
    }
    run.settled(&stage, &swarm).await;

    let reaped = stage.node(1).metric("hubbub_reaped_total", "").await
        + stage.node(3).metric("hubbub_reaped_total", "").await;
    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(reaped == 0.0, || format!("{reaped} nodes were taken for dead"));
    let cut = story.run.clients.len() - story.never_cut_off().len();
    story.must(cut == 0, || format!("{cut} clients lost their connection"));
    let refused = &story.statistics.refused;
    let refused = format!("{refused:?}");
    story.must(refused == "{}", || format!("refused: {refused}"));
    story
}
