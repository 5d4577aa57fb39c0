//! `hubbub load`: loads this or any other Socket.IO server, and says what it kept and what it cost.
mod account;
mod carrier;
mod client;
mod clock;
mod descriptors;
mod expect;
mod frame;
mod http;
mod mark;
mod meter;
mod options;
mod outcome;
mod pace;
mod plan;
mod polling;
mod preset;
mod progress;
mod results;
mod run;
mod shared;
mod table;
mod tally;
mod team;
mod template;
mod text;
mod trouble;
mod websocket;
mod wire;
mod words;
mod worker;

use std::{
    io::Write,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;

pub(super) use options::LoadArgs;

/// What a worker process does.
pub(super) fn work(process: u32) -> anyhow::Result<()> {
    team::work(process)
}

/// 0: done, and everything expected was so; 1: something was not. An error: it could not be run.
pub(super) fn load(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let plan = args.plan()?;
    descriptors::raise(&plan)?;
    let meter = meter::Meter::new(args);
    let stop = Arc::new(AtomicBool::new(false));
    let mut progress = progress::Progress::new(false);
    let outcome = run::run(plan, &meter, &stop, &mut progress);
    progress.end();
    let results = outcome?;
    let mut out = std::io::stdout().lock();
    out.write_all(table::table(&results).as_bytes()).context("the table cannot be written")?;
    let values = results.values();
    let mut kept = true;
    for expectation in &args.expect {
        if let Some(found) = expectation.broken_by(&values) {
            kept = false;
            writeln!(out, "not as expected: {expectation}: {} {found}", expectation.name())?;
        }
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
