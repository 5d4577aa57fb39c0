//! Who a connection speaks for.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{id::UserId, moderation::TokenId, nickname::Nickname};

/// What one may do everywhere.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nobody but a session of our own vouches for it.
    Guest,
    /// A token vouches for it.
    Member,
    /// May send out, silence and ban.
    Moderator,
    /// May that, and withdraw tokens and read the record.
    Admin,
}

impl Role {
    /// Whether it moderates; then no measure holds against it, but that what vouches for it is
    /// withdrawn.
    pub fn moderates(self) -> bool {
        self >= Self::Moderator
    }
}

/// An identity that something vouched for: a signed guest session, or a token.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Identity {
    pub id: UserId,
    pub name: Nickname,
    pub role: Role,
}

/// What vouches for a connection, beyond whom it speaks for.
#[derive(Debug, Clone)]
pub struct Vouched {
    pub role: Role,
    /// The token, if it has an id.
    pub token: Option<TokenId>,
    /// When it was given, ms since 1970; 0: unknown.
    pub issued_at: u64,
    /// When it ends while the connection lasts, ms since 1970; `None`: never.
    pub expires_at: Option<u64>,
}

impl Vouched {
    /// A guest, vouched for since then by a session of our own.
    pub fn guest(issued_at: u64) -> Self {
        Self { role: Role::Guest, token: None, issued_at, expires_at: None }
    }
}
