//! `[drain]`: how a node goes away.
use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// After SIGTERM, how long to go on accepting until balancers have noticed.
    #[serde(with = "humantime_serde")]
    pub balancer_lag: Duration,
    /// Over how long connections are closed.
    #[serde(with = "humantime_serde")]
    pub spread: Duration,
    /// After how long the process ends whatever is left.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}
