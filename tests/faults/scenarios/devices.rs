//! C: one user, several devices.
use std::time::Duration;

use super::{Scenario, impossible, scenario, settings};
use crate::{
    checker::Permissions,
    common::eventually_within,
    records::{Event, Micros, Name},
    run::Run,
    stage::Stage,
    story::Story,
    swarm::{Load, Seat, Spec, Swarm, Transport},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        impossible(
            "C16",
            "a token expires while its client is connected",
            "this build knows guests only, whose sessions do not expire while they are connected",
        ),
        scenario("C17", "two users with two devices each, which die one by one", c17),
    ]
}

/// Longer than the grace of a user who left.
const LONGER_THAN_GRACE: Duration = Duration::from_secs(7);

async fn c17(run: Run) -> Story {
    let stage = Stage::on_redis(&run, settings()).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    let witness = device(&swarm, "witness", 2, None).await;
    let mut people = Vec::new();
    for (name, node) in [("ada", 0), ("bob", 1)] {
        let first = device(&swarm, &format!("{name}-1"), node, None).await;
        let session = first.status().session;
        let second = device(&swarm, &format!("{name}-2"), node + 1, session).await;
        people.push((first, second));
    }
    swarm.acks(run.scaled(50, 400)).await;

    let mut gone_from = Vec::new();
    for (first, second) in &people {
        let user = first.status().user.expect("it is connected");
        assert_eq!(second.status().user, Some(user), "one user");
        first.closes();
        run.lasts(LONGER_THAN_GRACE).await;
        assert!(swarm.watch().await.contains(&user), "{user} has a device left");
        let closed = run.notes.clock.now();
        second.closes();
        gone_from.push((user, closed));
        let gone = || async { (!swarm.watch().await.contains(&user)).then_some(()) };
        eventually_within(LONGER_THAN_GRACE * 4, "nobody shows who is gone", gone).await;
    }
    swarm.acks(run.scaled(50, 400)).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    for (user, closed) in gone_from {
        let told = told_gone(&story, &witness, user);
        let is_once = matches!(told[..], [at] if at > closed);
        story.must(is_once, || {
            format!("{user} was told to be gone at {told:?}, and left at {closed}")
        });
    }
    story
}

async fn device(swarm: &Swarm, name: &str, node: usize, session: Option<String>) -> Seat {
    let ways = swarm.doors.from(node);
    let spec = swarm.spec(name, 0, None);
    let seat = swarm.add(Spec { ways, transport: Transport::WebSocket, session, ..spec });
    seat.is_live().await;
    seat
}

/// When a witness was told that a user has left the hot room.
fn told_gone(story: &Story, witness: &Seat, user: Name) -> Vec<Micros> {
    let told = story.records(witness.name).records.iter().filter(|record| {
        matches!(&record.event, Event::PresenceChanged { room, left, .. }
            if *room == crate::swarm::hot() && left.contains(&user))
    });
    told.map(|record| record.at).collect()
}
