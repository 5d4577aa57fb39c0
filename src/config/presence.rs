//! `[presence]`: who is online, and how soon the dead are noticed.
use std::time::Duration;

use serde::Deserialize;

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
