//! Runs in which everything was kept, with all that may happen in them: none of it may be called wrong.
use libtest_mimic::{Failed, Trial};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    super::{Check, Run},
    world::{Plan, Trouble},
};

pub(super) fn trials() -> Vec<Trial> {
    Trouble::ALL
        .map(|trouble| {
            let name = format!("checker::a_sound_run_is_passed::{trouble:?}").to_lowercase();
            Trial::test(name, move || any_is_passed(trouble))
        })
        .into()
}

fn any_is_passed(trouble: Trouble) -> Result<(), Failed> {
    for seed in 0..8 {
        is_passed(&Plan::new(seed, trouble).run())?;
    }
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let plans = (any::<u64>(), 4_usize..10, 25_u64..90)
        .prop_map(move |(seed, people, seconds)| Plan { seed, people, seconds, trouble });
    let passed = TestRunner::new(config)
        .run(&plans, |plan| is_passed(&plan.run()).map_err(TestCaseError::fail));
    Ok(passed.map_err(|failed| failed.to_string())?)
}

fn is_passed(run: &Run) -> Result<(), String> {
    let check = Check::new(run);
    let verdict = check.verdict();
    if verdict.holds() { Ok(()) } else { Err(format!("a sound run was not passed:\n{verdict}")) }
}
