//! `room:reset`: continuity cannot be proven; forget what you have and page again.
use schemars::JsonSchema;
use serde::Serialize;

use super::ServerEvent;
use crate::domain::{
    id::{Epoch, RoomId},
    position::ResetReason,
};

/// Continuity cannot be proven: forget what you have of this room and page again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomReset<'a> {
    pub room: &'a RoomId,
    pub reason: ResetReason,
    pub epoch: Option<&'a Epoch>,
    pub head: u64,
}

impl ServerEvent for RoomReset<'_> {
    const NAME: &'static str = "room:reset";
}
