//! `[presence]`: who is online, and how soon the dead are noticed.
use std::time::Duration;

use serde::Deserialize;

use super::{
    Impossible,
    bounds::{HOUR, MINUTE, ms, within},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// A node that has not renewed its lease for this long is dead.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often a node renews it.
    #[serde(with = "humantime_serde")]
    pub renew: Duration,
    /// How often each node looks for a dead one, and for graces that ended.
    #[serde(with = "humantime_serde")]
    pub reap: Duration,
    /// For how long a user who left is still shown, in case of coming back.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How often a node compares what the store holds of it with what it has.
    #[serde(with = "humantime_serde")]
    pub assert: Duration,
}

impl Presence {
    pub fn validate(&self) -> Result<(), Impossible> {
        within("presence.lease", self.lease, ms(100)..=10 * MINUTE)?;
        within("presence.renew", self.renew, ms(10)..=5 * MINUTE)?;
        within("presence.reap", self.reap, ms(10)..=5 * MINUTE)?;
        within("presence.grace", self.grace, Duration::ZERO..=10 * MINUTE)?;
        within("presence.assert", self.assert, ms(100)..=HOUR)?;
        if self.renew >= self.lease / 2 {
            // One renewal that fails must not make a living node look dead.
            return Err(Impossible::against(
                "presence.renew",
                &self.renew,
                "less than half of",
                ("presence.lease", &self.lease),
            ));
        }
        Ok(())
    }
}
