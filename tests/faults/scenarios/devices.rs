//! C: who users are: one with several devices, and those who come in with a token.
use std::time::Duration;

use super::{Scenario, scenario, settings};
use crate::{
    checker::Permissions,
    common::eventually_within,
    records::{Event, Micros, Name},
    run::Run,
    stage::Stage,
    story::Story,
    swarm::{Bearer, Load, Seat, Spec, Swarm, Transport, by_token},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        scenario("C16", "tokens end while their clients are connected and speak", c16),
        scenario("C17", "two users with two devices each, which die one by one", c17),
    ]
}

/// How long a short token lasts, and how soon after its end its bearer is out.
const SHORT: Duration = Duration::from_secs(8);
const OUT_WITHIN: Duration = Duration::from_secs(5);

async fn c16(run: Run) -> Story {
    let settings = by_token(settings(), run.notes.folder()).with("auth.jwt_notice", "4s");
    let stage = Stage::on_redis(&run, settings).await;
    let load = Load { stock: 0, ..Load::usual(&run) };
    let lasting = Bearer { lasts: Duration::from_hours(1), refreshes: true };
    let swarm = Swarm::start_as(&run, &stage, load, Some(lasting)).await;
    let short = |name: &str, n: usize, refreshes: bool| {
        let bearer = Some(Bearer { lasts: SHORT, refreshes });
        swarm.add(Spec { bearer, ..swarm.spec(name, n, Some(2.0)) })
    };
    let pairs = [0, 1, 2].map(|n| {
        let (stays, goes) = (format!("stays-{n}"), format!("goes-{n}"));
        (short(&stays, n, true), short(&goes, n, false))
    });
    for (stays, goes) in &pairs {
        for seat in [stays, goes] {
            seat.is_live().await;
            seat.talks(true);
        }
    }
    run.baseline(&stage).await;
    let turns = run.scaled(2, 4);
    for (_, goes) in &pairs {
        let again = || async { (goes.status().connections > turns).then_some(()) };
        eventually_within(SHORT * 10, "who brings no other token is closed", again).await;
    }
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    let mut slowest = 0;
    for (stays, goes) in &pairs {
        let connections = stays.status().connections;
        story.must(connections == 1, || format!("{} had {connections} connections", stays.name));
        let ended = ended_after(&story, goes);
        slowest = ended.iter().copied().max().unwrap_or(Micros::MAX).max(slowest);
        // A token counts its seconds from the one it was made in.
        let early = SHORT.saturating_sub(Duration::from_secs(1)).as_micros();
        let is_early = ended.iter().any(|after| u128::from(*after) < early);
        story.must(!is_early, || format!("{} was out too early: {ended:?}", goes.name));
    }
    let late = slowest.saturating_sub(u64::try_from(SHORT.as_micros()).unwrap_or(Micros::MAX));
    story.at_most("out after its token's end, at most", late, OUT_WITHIN);
    story
}

/// How long after each coming in a client was told that its token has expired.
fn ended_after(story: &Story, seat: &Seat) -> Vec<Micros> {
    let (mut came, mut all) = (0, Vec::new());
    for record in &story.records(seat.name).records {
        match &record.event {
            Event::Connected { .. } => came = record.at,
            Event::Notice { code, .. } if code.as_str() == "expired" => all.push(record.at - came),
            _ => {}
        }
    }
    all
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
