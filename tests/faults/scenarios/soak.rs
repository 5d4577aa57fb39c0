//! C18: one fault after the other, chosen by the seed, under a load that goes on all the time.
use std::{env, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use strum::{EnumIter, IntoEnumIterator};
use tokio::time::Instant;

use super::{Scenario, scenario, settings};
use crate::{
    checker::{Permissions, Target, What},
    proxy::{Verb, Way},
    run::Run,
    stage::{Stage, redis_of},
    story::Story,
    swarm::{Load, Seat, Swarm},
};

pub(super) fn all() -> Vec<Scenario> {
    vec![scenario("C18", "a soak: faults and churn of all kinds, in an order of the seed", c18)]
}

/// How long it goes on, in seconds; without it, a minute.
const HOW_LONG: &str = "HUBBUB_FAULTS_SOAK";

/// What may happen. None of it may lose, double or swap anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter)]
enum Trouble {
    NodeDies,
    NodeStandsStill,
    NodeIsReplaced,
    RedisDies,
    RedisStandsStill,
    SubscribersAreCut,
    ScriptsAreForgotten,
    NodeLosesRedis,
    RepliesAreLost,
    RedisIsFar,
    ClientsAreCut,
    ClientsAreDeaf,
    PacketsAreLost,
    ClientsChurn,
}

async fn c18(mut run: Run) -> Story {
    // With `everysec`, Redis answers before it has written while an fsync takes long: then its death
    // may lose what was acked.
    let redis = redis_of(&run, &["--appendfsync", "always"]);
    let stage = Stage::on_redis_of(&run, settings(), redis, |plan| plan).await;
    let swarm = Swarm::start(&run, &stage, Load::usual(&run)).await;
    swarm.acks(run.scaled(50, 400)).await;
    run.baseline(&stage).await;

    let given = env::var_os(HOW_LONG).and_then(|seconds| seconds.to_str()?.parse().ok());
    let seconds = given.unwrap_or(run.scaled(30, 60));
    let end = Instant::now() + Duration::from_secs(seconds);
    let troubles: Vec<Trouble> = Trouble::iter().collect();
    let mut choices = rand::SeedableRng::seed_from_u64(run.choices.random());
    let mut met = Vec::new();
    while Instant::now() < end {
        let trouble = *troubles.choose(&mut choices).expect("there are some");
        trouble.happens(&run, &stage, &swarm, &mut choices).await;
        met.push(trouble);
        swarm.acks(run.scaled(20, 100)).await;
    }
    run.settled(&stage, &swarm).await;

    let mut story = run.end(stage, swarm, Permissions::default()).await;
    story.remark(format!("in {seconds} s: {met:?}"));
    story
}

impl Trouble {
    async fn happens(self, run: &Run, stage: &Stage, swarm: &Swarm, choices: &mut StdRng) {
        let number = choices.random_range(1..=3);
        let node = stage.node(number);
        let a_while = Duration::from_millis(choices.random_range(500..4_000));
        let redis = stage.redis();
        match self {
            Self::NodeDies => {
                node.kill().await;
                run.lasts(a_while).await;
                node.start_again().await;
            }
            Self::NodeStandsStill => {
                node.stop();
                run.lasts(a_while).await;
                node.go_on();
            }
            Self::NodeIsReplaced => {
                node.terminate();
                node.ended().await;
                node.start_again().await;
            }
            Self::RedisDies => {
                redis.kill().await;
                run.lasts(a_while).await;
                redis.start_again().await;
            }
            Self::RedisStandsStill => {
                redis.stop();
                run.lasts(a_while).await;
                redis.go_on();
            }
            Self::SubscribersAreCut => drop(redis.run("CLIENT KILL TYPE pubsub").await),
            Self::ScriptsAreForgotten => drop(redis.run("SCRIPT FLUSH").await),
            Self::NodeLosesRedis => path_fails(run, node.redis(), Verb::Blackhole, a_while).await,
            Self::RepliesAreLost => {
                let verb = Verb::LoseReply { every: 40, cut: true };
                path_fails(run, node.redis(), verb, a_while).await;
            }
            Self::RedisIsFar => {
                let verb = Verb::Delay { by: Duration::from_millis(100), jitter: a_while / 40 };
                path_fails(run, node.redis(), verb, a_while).await;
            }
            Self::ClientsAreCut => swarm.doors.to(number).is_cut(),
            Self::ClientsAreDeaf => {
                let door = swarm.doors.to(number);
                path_fails(run, door, Verb::HalfOpen(Way::Down), a_while).await;
            }
            Self::PacketsAreLost => {
                let verb = Verb::Loss { of_hundred: 10, again: Duration::from_millis(200) };
                path_fails(run, swarm.doors.to(number), verb, a_while).await;
            }
            Self::ClientsChurn => churn(run, swarm, choices).await,
        }
        // Redis is asked directly here, so it is said here.
        if matches!(self, Self::SubscribersAreCut | Self::ScriptsAreForgotten) {
            run.notes.fault(Target::Store, What::Broken);
            run.notes.fault(Target::Store, What::Healed);
        }
    }
}

async fn path_fails(run: &Run, path: &crate::stage::Path, verb: Verb, time: Duration) {
    path.fails(verb);
    run.lasts(time).await;
    path.heals();
}

/// Some come and go, and some go on at another node.
async fn churn(run: &Run, swarm: &Swarm, choices: &mut StdRng) {
    let number: u32 = choices.random();
    let new: Vec<Seat> =
        (0..3).map(|n| swarm.add(swarm.spec(&format!("guest-{number}-{n}"), n, None))).collect();
    for seat in &new {
        seat.is_live().await;
    }
    for _ in 0..3 {
        let name = format!("c-{}", choices.random_range(1..=run.scaled(18, 60)));
        swarm.seat(&name).moves_to(choices.random_range(1..=3));
    }
    new.iter().for_each(Seat::closes);
}
