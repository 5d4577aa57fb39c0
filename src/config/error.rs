//! Why a configuration is refused: one line for a person, with what is wrong, where, and what to do.
use super::bounds::Impossible;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A layer speaks of a key that does not exist.
    #[error("{place}: there is no such setting; did you mean {nearest}? `hubbub config` lists all")]
    Unknown { place: String, nearest: String },
    #[error("{place}: cannot be read: {cause}")]
    Unreadable { place: String, cause: std::io::Error },
    /// The file is not TOML.
    #[error("file {path}: {says}")]
    Syntax { path: String, says: String },
    #[error("variable {variable}: its value is not UTF-8 text")]
    NotText { variable: String },
    #[error("{variable} and {variable}_FILE are both set; keep one of them")]
    BothGiven { variable: String },
    #[error("argument --set {given}: write --set section.key=value")]
    Argument { given: String },
    /// Arguments are visible to everybody on the machine.
    #[error(
        "argument --set {key}: a secret does not belong among the arguments, where everybody on \
         this machine can read it; set {variable} or {variable}_FILE"
    )]
    SecretArgument { key: String, variable: String },
    /// A value of the wrong kind.
    #[error("{key} = {value} (from {origin}): {says}")]
    Invalid { key: String, value: String, origin: String, says: String },
    /// A value of the right kind that makes no sense.
    #[error("{what} (from {origins})")]
    Impossible { what: Impossible, origins: String },
}
