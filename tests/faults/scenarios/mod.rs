//! The scenarios of the fault suite, a family a file; each is a short function that reads like its
//! row: load, fault, heal, and what must hold besides V1–V12. `tests/faults/README.md` says how to
//! add one.
mod clients;
mod crowds;
mod devices;
mod embedded;
mod failover;
mod machine;
mod node;
mod pauses;
mod redis;
mod soak;
mod store_limits;
mod store_loss;

use futures_util::future::LocalBoxFuture;

use crate::{common::Settings, run::Run, story::Story};

/// A row of the table of scenarios.
pub(crate) struct Scenario {
    pub(crate) id: &'static str,
    /// What is done.
    pub(crate) fault: &'static str,
    /// Whether `make test` plays it.
    pub(crate) is_short: bool,
    /// Whether the full set plays it with no other beside it.
    pub(crate) is_alone: bool,
    pub(crate) play: Play,
}

pub(crate) enum Play {
    Run(Box<dyn Fn(Run) -> LocalBoxFuture<'static, Story> + Send + Sync>),
    /// Why not, on this machine.
    Impossible(&'static str),
}

/// One that `make faults` plays.
fn scenario<F: Future<Output = Story> + 'static>(
    id: &'static str,
    fault: &'static str,
    play: fn(Run) -> F,
) -> Scenario {
    let play = Play::Run(Box::new(move |run| Box::pin(play(run))));
    Scenario { id, fault, is_short: false, is_alone: false, play }
}

/// One that cannot be injected here, and why; the report says so.
fn impossible(id: &'static str, fault: &'static str, why: &'static str) -> Scenario {
    let play = Play::Impossible(why);
    Scenario { id, fault, is_short: false, is_alone: false, play }
}

impl Scenario {
    /// `make test` plays it too.
    fn short(self) -> Self {
        Self { is_short: true, ..self }
    }

    /// In the full set nothing else goes on: it says how fast something is under a heavy load.
    fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }
}

pub(crate) use self::store_loss::power_trial;

/// All of them, in the table's order.
pub(crate) fn all() -> Vec<Scenario> {
    let families = [
        [node::all(), pauses::all(), machine::all()].into_iter().flatten().collect(),
        [redis::all(), store_loss::all(), store_limits::all()].into_iter().flatten().collect(),
        failover::all(),
        [clients::all(), crowds::all(), devices::all(), soak::all()]
            .into_iter()
            .flatten()
            .collect(),
        embedded::all(),
    ];
    // A family's files divide it by what is done, the table counts.
    let number = |scenario: &Scenario| {
        let digits = scenario.id[1..].trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<u32>().unwrap_or(u32::MAX)
    };
    let in_order = families.into_iter().map(|mut family: Vec<Scenario>| {
        family.sort_by_key(number);
        family
    });
    in_order.flatten().collect()
}

/// What the nodes of most scenarios are told: what they are shipped with, but for the wait for a
/// balancer that is not there.
fn settings() -> Settings {
    Settings::as_shipped().with("drain.spread", "2s")
}
