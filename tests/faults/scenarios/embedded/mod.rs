//! E: one node on its own file.
mod damage;

use std::time::{Duration, Instant};

use rand::RngExt;
use tempfile::TempDir;

use self::damage::Damaged;
use super::{Scenario, impossible, scenario, settings, store_limits::FULL_FOR};
use crate::{
    checker::{Permissions, Target, What},
    common::{Process, eventually_within},
    records::Micros,
    run::Run,
    stage::{SmallDisk, Stage},
    story::Story,
    swarm::{Load, Swarm},
};

/// A file is open again so soon after a crash.
const OPENS_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn all() -> Vec<Scenario> {
    let full = "the disk of the embedded store is full";
    vec![
        scenario("E1", "kill -9 of the only node, at any moment, again and again", e1),
        scenario("E2", "the file is cut off, or a byte of it is changed", e2),
        if SmallDisk::can_be_had() {
            scenario("E3", full, e3)
        } else {
            impossible("E3", full, "a small disk cannot be mounted here; that takes root")
        },
        scenario("E4", "a second process on the same file", e4),
        impossible("E5", "the file of the previous release", "there is no previous release"),
    ]
}

fn few(run: &Run) -> Load {
    run.scaled(
        Load { members: 6, rooms: 2, a_second: 20.0, stock: 0 },
        Load { members: 12, rooms: 3, a_second: 100.0, stock: 0 },
    )
}

async fn e1(mut run: Run) -> Story {
    let stage = Stage::alone(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, few(&run)).await;
    let node = stage.node(1);
    let mut slowest = Duration::ZERO;
    // Two hundred under three seeds.
    for _ in 0..run.scaled(8, 67) {
        swarm.acks(run.choices.random_range(1..20)).await;
        let moment = Duration::from_micros(run.choices.random_range(0..50_000));
        run.lasts(moment).await;
        node.kill().await;
        let began = Instant::now();
        node.start_again().await;
        slowest = slowest.max(began.elapsed());
    }
    swarm.acks(20).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let slowest = Micros::try_from(slowest.as_micros()).unwrap_or(Micros::MAX);
    story.at_most("ready again after, longest", slowest, OPENS_WITHIN);
    story
}

async fn e2(mut run: Run) -> Story {
    let stage = Stage::alone(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, few(&run)).await;
    let node = stage.node(1);
    swarm.acks(run.scaled(60, 600)).await;
    // What is said meanwhile is not on the file that is looked at.
    swarm.falls_silent();
    swarm.settles(Duration::from_secs(30)).await;
    let truth = swarm.histories().await;

    node.terminate();
    node.ended().await;
    let sound = std::fs::read(stage.file()).unwrap();
    let (mut refused, mut served, mut wrong) = (0, 0, Vec::new());
    for round in 0..run.scaled(6, 20) {
        let damaged = Damaged::of(&sound, round, &mut run.choices);
        match damaged.is_opened_by(node, &swarm, &truth).await {
            Ok(true) => served += 1,
            Ok(false) => refused += 1,
            Err(how) => wrong.push(format!("{damaged}: {how}")),
        }
    }
    node.start_again().await;
    swarm.speaks_again();
    swarm.all_live().await;
    swarm.acks(run.scaled(20, 200)).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.remark(format!("{refused} damaged files were refused, {served} served the truth"));
    for how in wrong {
        story.must(false, || how);
    }
    story
}

async fn e3(run: Run) -> Story {
    let folder = TempDir::new().unwrap();
    let disk = SmallDisk::at(folder.path(), 32);
    let stage = Stage::alone_in(&run, settings(), folder).await;
    let swarm = Swarm::start(&run, &stage, few(&run)).await;
    swarm.acks(run.scaled(40, 300)).await;

    run.notes.fault(Target::Store, What::Broken);
    disk.fills();
    // What is on the file cannot be read meanwhile: it is not open after a write that failed.
    swarm.refusals(run.scaled(10, 50)).await;
    run.lasts(FULL_FOR).await;
    disk.has_room_again();
    run.notes.fault(Target::Store, What::Healed);
    swarm.acks(run.scaled(40, 300)).await;

    let error_lines = vec!["the store".to_owned()];
    let mut story =
        run.end(stage, swarm, Permissions { error_lines, ..Permissions::default() }).await;
    drop(disk);
    super::redis::nobody_was_cut_off(&mut story);
    story
}

async fn e4(run: Run) -> Story {
    let stage = Stage::alone(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, few(&run)).await;
    swarm.acks(20).await;

    let url = format!("embedded:{}", stage.file().display());
    let second = Process::node(&settings().with("store.url", url));
    let ended = || async { second.has_ended() };
    let status = eventually_within(Duration::from_secs(20), "the second process ends", ended).await;
    let said = second.said_until_the_end().await;
    swarm.acks(20).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.must(status.code() == Some(1), || format!("it ended with {status:?}"));
    let is_told = said.iter().any(|line| line.contains("is in use by another process"));
    story.must(is_told, || format!("it said {said:?}"));
    story
}
