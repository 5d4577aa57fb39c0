//! Faults planted in sound runs, one at a time: each must be caught, by its right name and by no other.
mod delivery;
mod forge;
mod log;
mod nodes;
mod order;
mod presence;
mod shape;

use libtest_mimic::{Failed, Trial};

use self::forge::Forge;
use super::{
    super::{Check, Invariant},
    world::Trouble,
};

/// So many different runs are spoilt by each fault.
const RUNS: usize = 3;
/// Not every run has what a fault needs; of so many, enough must.
const TRIED: u64 = 60;

type Plant = Box<dyn Fn(&mut Forge) -> Option<String> + Send>;

/// A fault, and what it breaks.
struct Case {
    name: &'static str,
    trouble: Trouble,
    breaks: &'static [Invariant],
    /// Plants it, if the run has what it needs; says what must be named in what is told.
    plant: Plant,
}

/// A fault that any run can have.
fn case(name: &'static str, breaks: &'static [Invariant], plant: fn(&mut Forge) -> String) -> Case {
    let plant = Box::new(move |forge: &mut Forge| Some(plant(forge)));
    Case { name, trouble: Trouble::Nothing, breaks, plant }
}

/// A fault that needs something to be in the run.
fn if_it_can(
    name: &'static str,
    breaks: &'static [Invariant],
    plant: fn(&mut Forge) -> Option<String>,
) -> Case {
    Case { name, trouble: Trouble::Nothing, breaks, plant: Box::new(plant) }
}

impl Case {
    fn amid(self, trouble: Trouble) -> Self {
        Self { trouble, ..self }
    }
}

pub(super) fn trials() -> Vec<Trial> {
    let cases =
        [log::cases(), delivery::cases(), order::cases(), presence::cases(), nodes::cases()];
    let trials = cases.into_iter().flatten().map(|case| {
        let kind = if case.breaks.is_empty() { "passes" } else { "catches" };
        Trial::test(format!("checker::{kind}::{}", case.name), move || is_caught(&case))
    });
    trials.chain(shape::trials()).collect()
}

fn is_caught(case: &Case) -> Result<(), Failed> {
    let mut caught = 0;
    for seed in 0..TRIED {
        let mut forge = Forge::new(seed, case.trouble);
        let Some(named) = (case.plant)(&mut forge) else { continue };
        let check = Check::new(&forge.run);
        let verdict = check.verdict();
        if verdict.broken() != case.breaks || !verdict.oddities.is_empty() {
            let wanted = case.breaks;
            return Err(format!("seed {seed} should break {wanted:?}, and:\n{verdict}").into());
        }
        for invariant in case.breaks {
            let told = &verdict.of(*invariant).told;
            if !told.iter().any(|how| how.contains(&named)) {
                return Err(format!("seed {seed}: {named} is not named:\n{verdict}").into());
            }
        }
        caught += 1;
        if caught == RUNS {
            return Ok(());
        }
    }
    Err(format!("only {caught} of {TRIED} runs had what it needs").into())
}
