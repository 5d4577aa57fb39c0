//! The command line: one file a subcommand, and what each way to fail is as an exit code.
mod config;
mod doctor;
mod healthcheck;
mod load;
mod serve;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{Arguments, ConfigError, Loaded};

/// A chat service that scales out.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A file of settings over the built-in ones [variable: `HUBBUB_CONFIG`].
    #[arg(long = "config", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// One setting over all others; may be given again.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    set: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Subcommand)]
enum Command {
    /// Runs a node until it is told to stop (what `hubbub` alone does).
    Serve,
    /// Shows the settings in effect, and where each comes from.
    Config,
    /// Asks the node of this machine whether it is ready; exits with 0 or 1.
    Healthcheck,
    /// Connects as a client would and names what is wrong with the set-up; exits with 0 (nothing),
    /// 1 (something), or 2 (it cannot be reached).
    Doctor(doctor::Ask),
    /// Loads this or any other Socket.IO server, and says what it kept and what it cost.
    Load(Box<load::LoadArgs>),
    /// One of the processes of `load`.
    #[command(hide = true)]
    LoadWorker { process: u32 },
    /// Signs a token that a node with these settings takes, and prints it.
    Token(token::Token),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nothing was begun: the settings are wrong.
    #[error("{0}")]
    Configuration(String),
    #[error("{0:#}")]
    Run(#[from] anyhow::Error),
    #[error("found {0} of the classic mistakes")]
    Unhealthy(usize),
    #[error("{0} cannot be reached")]
    Unreachable(String),
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl Failed {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Unreachable(_) => ExitCode::from(2),
            Self::Run(_) | Self::Unhealthy(_) => ExitCode::FAILURE,
        }
    }
}

impl Cli {
    pub fn run(self) -> Result<ExitCode, Failed> {
        let arguments = Arguments { file: self.file, set: self.set };
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(settings(&arguments)?.config)?,
            Command::Config => config::show(&settings(&arguments)?)?,
            Command::Doctor(ask) => doctor::examine(&ask)?,
            // 1 is for what was expected and is not so; whatever else is wrong is 2.
            Command::Load(args) => {
                return load::load(&args)
                    .map_err(|error| Failed::Configuration(format!("{error:#}")));
            }
            Command::LoadWorker { process } => load::work(process)?,
            // Docker reserves an exit code of 2 here: whatever is wrong, it is 1.
            Command::Healthcheck => {
                let loaded = settings(&arguments).map_err(anyhow::Error::from)?;
                healthcheck::ask(loaded.config.internal.listen)?;
            }
            Command::Token(asked) => token::print(&asked, &settings(&arguments)?.config.auth)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What TLS is made with, for clients that leave the choice to the process.
fn use_ring() {
    // Somebody was there first: then it is made.
    rustls::crypto::ring::default_provider().install_default().ok();
}

fn settings(arguments: &Arguments) -> Result<Loaded, ConfigError> {
    crate::config::load(arguments, crate::config::environment())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_and_after_the_subcommand() {
        let before = Cli::parse_from(["hubbub", "--set", "a.b=c", "--config", "f", "config"]);
        let after = Cli::parse_from(["hubbub", "config", "--config", "f", "--set", "a.b=c"]);
        let alone = Cli::parse_from(["hubbub", "--set", "a.b=c", "--set", "d.e=f"]);

        for cli in [before, after] {
            assert_eq!(cli.command, Some(Command::Config));
            assert_eq!((cli.file, cli.set), (Some("f".into()), vec!["a.b=c".to_owned()]));
        }
        assert_eq!(alone.command, None);
        assert_eq!(alone.set, ["a.b=c", "d.e=f"]);
    }
}
