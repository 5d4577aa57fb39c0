//! `hubbub load`: loads this or any other Socket.IO server, and says what it kept and what it cost.
mod account;
mod carrier;
mod chart;
mod client;
mod clock;
mod descriptors;
mod expect;
mod frame;
mod html;
mod http;
mod interrupt;
mod json;
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

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;

pub(super) use options::LoadArgs;
use {expect::Values, results::Results};

/// What a worker process does.
pub(super) fn work(process: u32) -> anyhow::Result<()> {
    team::work(process)
}

/// 0: done, and everything expected was so; 1: something was not. An error: it could not be run.
pub(super) fn load(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let plan = args.plan()?;
    descriptors::raise(&plan)?;
    let meter = meter::Meter::new(args);
    let mut progress = progress::Progress::new();
    let outcome = interrupt::while_listening(|stop| run::run(plan, &meter, stop, &mut progress))?;
    progress.end();
    let results = outcome?;
    let values = results.values();
    write_files(args, &results, &values)?;
    let broken = args
        .expect
        .iter()
        .filter_map(|expectation| Some((expectation, expectation.broken_by(&values)?)));
    let mut kept = true;
    for (expectation, found) in broken {
        kept = false;
        eprintln!("not as expected: {expectation}: it {found}");
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_files(args: &LoadArgs, results: &Results, values: &Values) -> anyhow::Result<()> {
    let mut shown = table::table(results);
    if let Some(path) = &args.json {
        let json = json::json(results, values, &args.expect)?;
        if path.as_os_str() == "-" {
            shown = json + "\n";
        } else {
            write_file(path, &json)?;
        }
    }
    if let Some(path) = &args.html {
        write_file(path, &html::html(results, values, &args.expect))?;
    }
    match std::io::stdout().write_all(shown.as_bytes()) {
        // `hubbub load | head`: whoever asked has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("the results cannot be written")
        }
        _ => Ok(()),
    }
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
