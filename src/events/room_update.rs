//! `room:update`: how a room is kept: its slow mode.
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Caller, ClientEvent, Done};
use crate::{
    clock,
    domain::{
        Invalid,
        id::RoomId,
        moderation::{Act, Deed, Reason},
    },
    error::Result,
    policy::access,
    state::AppState,
};

/// The longest pause between two messages: a day, in ms.
const LONGEST_PAUSE: u64 = 86_400_000;

/// A pause between two messages of one author.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
pub struct Pause(u64);

impl TryFrom<u64> for Pause {
    type Error = Invalid;
    fn try_from(ms: u64) -> Result<Self, Invalid> {
        (ms <= LONGEST_PAUSE).then_some(Self(ms)).ok_or(Invalid("a pause is 0 to 86400000 ms"))
    }
}

/// Moderators: puts a room into slow mode, or out of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomUpdate {
    room: RoomId,
    /// How long each author waits between two messages, in ms; 0: no more.
    slow_mode_ms: Pause,
    /// For the record.
    #[serde(default)]
    reason: Reason,
}

impl ClientEvent for RoomUpdate {
    const NAME: &'static str = "room:update";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        access::may_moderate(&caller.connection)?;
        let act = Act {
            at: clock::now_ms(),
            by: caller.person(),
            deed: Deed::SlowMode,
            room: Some(self.room),
            subject: None,
            until: None,
            pause_ms: Some(self.slow_mode_ms.0),
            reason: self.reason,
        };
        app.moderation.decide(&act).await?;
        Ok(Done {}.into())
    }
}
