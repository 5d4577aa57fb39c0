//! Who a connection speaks for.
use schemars::JsonSchema;
use serde::Serialize;

use super::{id::UserId, nickname::Nickname};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Guest,
}

/// An identity that something vouched for: a signed guest session, later a token.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Identity {
    pub id: UserId,
    pub name: Nickname,
    pub role: Role,
}
