//! The process: arguments in, exit code out. 0: done; 1: the run failed; 2: the settings are wrong.
use std::process::ExitCode;

use clap::Parser;
use hubbub::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(failed) => {
            eprintln!("hubbub: {failed}");
            failed.exit_code()
        }
    }
}
