//! What an acknowledged message survives.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an acknowledged message survives. Each survives what the one before does.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Durability {
    /// The store may not be asked how it keeps what it is given.
    Unknown,
    /// Nothing: it lives in memory.
    None,
    /// Any process ending at any time. A power failure may cost the last two seconds.
    Process,
    /// The power failing. A lost disk costs everything since the last backup.
    Disk,
    /// One host being lost: a second one has it too.
    Replica,
}
