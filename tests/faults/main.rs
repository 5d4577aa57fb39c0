//! The fault suite: real nodes, a real Redis, faults between them, and a checker that reads what
//! every client saw. `make test` plays the short set; `make faults` (`HUBBUB_FAULTS=all`) plays
//! every scenario under three seeds and writes the report; `HUBBUB_FAULTS=wide`, every scenario under
//! the short set's load. Some scenarios only: `HUBBUB_FAULTS_ONLY=N1,R3`. One scenario under one
//! seed again: `HUBBUB_FAULTS_SEED=1f cargo test --test faults N1`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod checker;
#[expect(dead_code, unused_imports, reason = "the suites share it, and each uses a part")]
#[path = "../common/mod.rs"]
mod common;
mod ports;
mod proxy;
mod records;
mod report;
mod run;
mod scenarios;
mod stage;
mod story;
mod swarm;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};

use self::{
    report::Entry,
    run::{Run, Scale, random_seed},
    scenarios::{Play, Scenario},
};

/// Scenarios at once: most of their time is waiting.
const SIDE_BY_SIDE: usize = 3;
/// In the full set, whose build is optimised.
const SIDE_BY_SIDE_IN_FULL: usize = 4;
/// No run takes longer, unless something hangs.
const LONGEST_RUN: Duration = Duration::from_mins(10);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (is_every, scale) = match env::var_os("HUBBUB_FAULTS") {
        Some(which) if which == "all" => (true, Scale::Full),
        Some(which) if which == "wide" => (true, Scale::Short),
        _ => (false, Scale::Short),
    };
    common::many_descriptors();

    let only = env::var_os("HUBBUB_FAULTS_ONLY").map(|only| {
        let only = only.to_string_lossy().into_owned();
        only.split(',').map(|id| id.trim().to_owned()).collect::<Vec<_>>()
    });

    let scenarios = Arc::new(scenarios::all());
    let mut beside = checker::trials();
    beside.extend(proxy::trials::trials());
    beside.extend(stage::trials());
    beside.push(scenarios::power_trial());
    let mut alone = Vec::new();
    // Seed after seed, so that every scenario has been played once before any is played again.
    for (label, seed) in seeds(scale) {
        for (n, scenario) in scenarios.iter().enumerate() {
            let is_played = matches!(scenario.play, Play::Run(_));
            let is_wanted =
                only.as_ref().is_none_or(|only| only.iter().any(|id| id == scenario.id));
            if !is_played || !is_wanted || !(scenario.is_short || is_every) {
                continue;
            }
            let name = format!("{}::{label}", scenario.id);
            let (scenarios, label) = (scenarios.clone(), label.clone());
            let play = move || play(&scenarios[n], &label, seed, scale);
            // What is measured to the millisecond is measured in the full set.
            let is_alone = scenario.is_alone && scale == Scale::Full;
            let trials = if is_alone { &mut alone } else { &mut beside };
            trials.push(Trial::test(name, play));
        }
    }
    let at_once = |number| {
        let test_threads = arguments.test_threads.unwrap_or(number);
        Arguments { test_threads: Some(test_threads), ..arguments.clone() }
    };
    let mut conclusions = Vec::new();
    let side_by_side = if scale == Scale::Full { SIDE_BY_SIDE_IN_FULL } else { SIDE_BY_SIDE };
    conclusions.push(libtest_mimic::run(&at_once(side_by_side), beside));
    if !alone.is_empty() {
        conclusions.push(libtest_mimic::run(&at_once(1), alone));
    }
    if scale == Scale::Full && !arguments.list && arguments.filter.is_none() {
        match report::write(&scenarios) {
            Ok(path) => eprintln!("the report is {}", path.display()),
            Err(cause) => eprintln!("there is no report: {cause}"),
        }
    }
    let has_failed = conclusions.iter().any(libtest_mimic::Conclusion::has_failed);
    if has_failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// What each seed is called, and the seed.
fn seeds(scale: Scale) -> Vec<(String, u64)> {
    if let Some(seed) = env::var_os("HUBBUB_FAULTS_SEED") {
        let seed = u64::from_str_radix(&seed.to_string_lossy(), 16);
        return vec![("again".to_owned(), seed.expect("HUBBUB_FAULTS_SEED is hexadecimal"))];
    }
    let fixed: u64 = if scale == Scale::Full { 2 } else { 1 };
    let fixed = (1..=fixed).map(|seed| (seed.to_string(), seed));
    fixed.chain([("random".to_owned(), random_seed())]).collect()
}

/// Plays one scenario under one seed, and keeps what came of it.
fn play(scenario: &Scenario, label: &str, seed: u64, scale: Scale) -> Result<(), Failed> {
    let Play::Run(play) = &scenario.play else { return Err("it cannot be run here".into()) };
    let run = Run::new(scenario.id, seed, scale)?;
    let folder = run.notes.folder().to_owned();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { tokio::time::timeout(LONGEST_RUN, play(run)).await })
    }));
    let (row, complaint) = match played {
        Ok(Ok(story)) => (Some(story.row()), story.complaint()),
        Ok(Err(_)) => (None, Some(format!("it was not over after {LONGEST_RUN:?}"))),
        Err(panic) => (None, Some(said_by(&*panic))),
    };
    let entry = Entry {
        scenario: scenario.id.to_owned(),
        label: label.to_owned(),
        seed,
        row,
        complaint: complaint.clone(),
    };
    if scale == Scale::Full {
        report::keep(&entry)?;
    }
    match complaint {
        None => {
            fs::remove_dir_all(folder)?;
            Ok(())
        }
        Some(complaint) => Err(format!(
            "{} failed, seed {seed:x}\n{complaint}\nrecords: {}\nagain: HUBBUB_FAULTS_SEED={seed:x} \
             cargo test --test faults {}",
            scenario.id,
            folder.display(),
            scenario.id
        )
        .into()),
    }
}

fn said_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it broke off: {}", text.unwrap_or("no words"))
}
