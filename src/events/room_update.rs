//! `room:update`: how a room is kept: its slow mode, and who speaks.
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
    error::{Error, Result},
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

/// Moderators: puts a room into slow mode or out of it, and says who speaks there. Give one of the
/// two, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomUpdate {
    room: RoomId,
    /// How long each author waits between two messages, in ms; 0: no more.
    #[serde(default)]
    slow_mode_ms: Option<Pause>,
    /// Whether only the owner and moderators speak.
    #[serde(default)]
    announce: Option<bool>,
    /// For the record.
    #[serde(default)]
    reason: Reason,
}

impl ClientEvent for RoomUpdate {
    const NAME: &'static str = "room:update";
    type Ack = Done;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Done>> {
        let Self { room, slow_mode_ms, announce, reason } = self;
        if slow_mode_ms.is_none() && announce.is_none() {
            return Err(Error::bad_request("give slow_mode_ms or announce"));
        }
        app.roles.may_moderate(Some(&room), &caller.connection).await?;
        let act = |deed| Act {
            room: Some(room.clone()),
            reason: reason.clone(),
            ..Act::new(clock::now_ms(), caller.person(), deed)
        };
        if let Some(Pause(pause)) = slow_mode_ms {
            let act = Act { pause_ms: Some(pause), ..act(Deed::SlowMode) };
            app.moderation.decide(&act).await?;
        }
        if announce.is_some() {
            app.moderation.decide(&Act { announce, ..act(Deed::Announce) }).await?;
        }
        Ok(Done {}.into())
    }
}
