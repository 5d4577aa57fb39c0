//! The command line: one file a subcommand, and what each way to fail is as an exit code.
mod config;
mod healthcheck;
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

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Command {
    /// Runs a node until it is told to stop (what `hubbub` alone does).
    Serve,
    /// Shows the settings in effect, and where each comes from.
    Config,
    /// Asks the node of this machine whether it is ready; exits with 0 or 1.
    Healthcheck,
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
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl Failed {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::FAILURE,
        }
    }
}

impl Cli {
    pub fn run(self) -> Result<(), Failed> {
        let arguments = Arguments { file: self.file, set: self.set };
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(load(&arguments)?.config),
            Command::Config => Ok(config::show(&load(&arguments)?)?),
            // Docker reserves an exit code of 2 here: whatever is wrong, it is 1.
            Command::Healthcheck => {
                let loaded = load(&arguments).map_err(anyhow::Error::from)?;
                Ok(healthcheck::ask(loaded.config.internal.listen)?)
            }
            Command::Token(asked) => Ok(token::print(&asked, &load(&arguments)?.config.auth)?),
        }
    }
}

fn load(arguments: &Arguments) -> Result<Loaded, ConfigError> {
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
