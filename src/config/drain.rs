//! `[drain]`: how a node goes away.
use std::time::Duration;

use serde::Deserialize;

use super::{
    Impossible,
    bounds::{Bounded, HOUR, MINUTE, ms, within},
};

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

impl Drain {
    pub fn validate(&self) -> Result<(), Impossible> {
        within("drain.balancer_lag", self.balancer_lag, Duration::ZERO..=10 * MINUTE)?;
        within("drain.spread", self.spread, Duration::ZERO..=HOUR)?;
        within("drain.deadline", self.deadline, ms(100)..=2 * HOUR)?;
        let needed = self.balancer_lag + self.spread;
        if self.deadline <= needed {
            // Otherwise the process ends before the last connection was told to go.
            let says = format!(
                "must be more than drain.balancer_lag and drain.spread together, which is {}",
                needed.shown()
            );
            let against = Some("drain.spread");
            let value = self.deadline.shown();
            return Err(Impossible { against, ..Impossible::new("drain.deadline", value, says) });
        }
        Ok(())
    }
}
