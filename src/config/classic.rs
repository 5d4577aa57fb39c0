//! `[classic]`: the tutorials' dialects on the namespace `/`.
use serde::Deserialize;

use super::Impossible;

use crate::domain::id::RoomId;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classic {
    pub enabled: bool,
    /// The one room in which all of them speak.
    pub room: RoomId,
}

impl Classic {
    /// A `RoomId` that decodes is valid; but pages are invited nowhere.
    pub fn validate(&self) -> Result<(), Impossible> {
        if self.room.is_public() {
            return Ok(());
        }
        Err(Impossible::new("classic.room", &self.room, "must be a public room"))
    }
}
