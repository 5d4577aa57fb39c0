//! Why a request was refused, as a coded value, and what went wrong inside; how each looks on the wire.
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::Invalid;

/// Whether something that was refused may have happened all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did not happen.
    None,
    /// It may have happened; a retry under the same `mid` is always safe.
    Unknown,
}

/// A refusal. The variant's name in snake case is its code: stable, unlike its text.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::EnumDiscriminants)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(name(Code), derive(strum::IntoStaticStr, strum::EnumIter))]
#[strum_discriminants(strum(serialize_all = "snake_case"))]
pub enum Error {
    /// The payload is not what the event takes; `field` says where.
    #[error("{message}")]
    BadRequest { message: String, field: Option<String> },
    /// No event has this name.
    #[error("there is no such event")]
    UnknownEvent,
    /// Nothing vouches for whoever asks.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// One may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Sent away, from here or from everywhere, for a time or for ever.
    #[error("you are banned")]
    Banned { retry_after_ms: Option<u64> },
    /// Silenced, here or everywhere, for a time or for ever.
    #[error("you are muted")]
    Muted { retry_after_ms: Option<u64> },
    /// In this room one waits between two messages.
    #[error("this room is in slow mode; wait before the next message")]
    SlowMode { retry_after_ms: u64 },
    /// The connection has not joined the room.
    #[error("not a member of this room; join it first")]
    NotMember,
    /// No such room, or none that one may know of.
    #[error("there is no such room")]
    NotFound,
    /// It is not as it would have to be for this: there is such a room already, or somebody else was
    /// quicker.
    #[error("{0}")]
    Conflict(&'static str),
    /// The `mid` was used before, for another text.
    #[error("this mid was used before with another text; a new message needs a new mid")]
    IdempotencyConflict,
    /// A text, an event or a body is larger than allowed.
    #[error("{message}")]
    TooLarge { message: String, field: Option<String> },
    /// Too many in too short a time.
    #[error("too many at once; wait and try again")]
    RateLimited { retry_after_ms: u64 },
    /// A cap on how many of something one may have.
    #[error("{0}")]
    LimitExceeded(&'static str),
    /// The name is kept for the house, or reads like one that is.
    #[error("this name is reserved; choose another")]
    Reserved,
    /// The `mid` is older than the time within which a retry is recognised.
    #[error("this mid is too old to be retried safely; look the message up in the history")]
    Expired,
    /// The store does not answer now.
    #[error("the store does not answer; try again")]
    Unavailable { outcome: Outcome, retry_after_ms: u64 },
    /// The node is going away.
    #[error("this node is shutting down; reconnect")]
    Draining,
    /// Our fault; the cause is in the log and nowhere else.
    #[error("something went wrong on our side")]
    Internal(#[from] anyhow::Error),
}

/// How a refusal looks in an ack, and in `error:notice` where nobody waits for one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Refusal<'a> {
    /// Stable.
    pub code: &'static str,
    /// For people; may change.
    pub message: String,
    /// Which field of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// Whether trying again may help.
    pub retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Error {
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest { message: message.into(), field: None }
    }

    pub fn bad_field(field: &str, invalid: &Invalid) -> Self {
        Self::BadRequest { message: invalid.to_string(), field: Some(field.to_owned()) }
    }

    /// One's role in the room is no writer's, or only its owner and moderators are writers.
    pub fn only_reads() -> Self {
        Self::Forbidden("you may read in this room, and not write")
    }

    /// The store is not there; whether the request took effect is `outcome`.
    pub fn unavailable(outcome: Outcome) -> Self {
        Self::Unavailable { outcome, retry_after_ms: 1_000 }
    }

    pub fn refusal(&self) -> Refusal<'_> {
        let (field, retry_after_ms, outcome) = match self {
            Self::BadRequest { field, .. } | Self::TooLarge { field, .. } => {
                (field.as_deref(), None, None)
            }
            Self::RateLimited { retry_after_ms } | Self::SlowMode { retry_after_ms } => {
                (None, Some(*retry_after_ms), None)
            }
            Self::Banned { retry_after_ms } | Self::Muted { retry_after_ms } => {
                (None, *retry_after_ms, None)
            }
            Self::Unavailable { outcome, retry_after_ms } => {
                (None, Some(*retry_after_ms), Some(*outcome))
            }
            _ => (None, None, None),
        };
        Refusal {
            code: self.into(),
            message: self.to_string(),
            field,
            retryable: matches!(
                self,
                Self::RateLimited { .. }
                    | Self::SlowMode { .. }
                    | Self::Unavailable { .. }
                    | Self::Draining
                    | Self::Internal(_)
            ),
            retry_after_ms,
            outcome,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
