//! Whether one more session may begin on this node. Asked before anything is made for it; sessions
//! that are open are never asked again.
use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread::available_parallelism,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::server::Server;

/// A session's place among those that may be open, for as long as it is held.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why not now; the label of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotNow {
    /// As many are open as may be.
    Full,
    /// Too many came at once.
    Admission,
}

/// The gate of one node.
pub struct Admission {
    bucket: DefaultDirectRateLimiter,
    places: Arc<Semaphore>,
}

impl Admission {
    pub fn new(config: &Server) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_cores(config, u32::try_from(cores).unwrap_or(u32::MAX))
    }

    fn with_cores(config: &Server, cores: u32) -> Self {
        let cores = NonZeroU32::new(cores).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(config.session_rate.saturating_mul(cores))
            .allow_burst(config.session_burst);
        let places = Arc::new(Semaphore::new(config.max_sessions));
        Self { bucket: RateLimiter::direct(quota), places }
    }

    pub fn ask(&self) -> Result<Place, NotNow> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| NotNow::Full)?;
        match self.bucket.check() {
            Ok(()) => Ok(Place { _permit: permit }),
            Err(_) => Err(NotNow::Admission),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn gate(burst: u32, most: usize) -> Admission {
        let mut config = Config::built_in().server;
        config.session_rate = NonZeroU32::MIN;
        config.session_burst = NonZeroU32::new(burst).unwrap();
        config.max_sessions = most;
        Admission::with_cores(&config, 1)
    }

    #[test]
    fn so_many_at_once_and_no_more() {
        let gate = gate(3, 100);

        let asked: Vec<_> = (0..4).map(|_| gate.ask()).collect();

        assert!(asked[..3].iter().all(Result::is_ok), "{asked:?}");
        assert_eq!(asked[3].as_ref().unwrap_err(), &NotNow::Admission);
    }

    #[test]
    fn a_place_is_free_again_when_its_session_is_gone() {
        let gate = gate(100, 1);
        let first = gate.ask().unwrap();
        let refused = gate.ask().unwrap_err();

        drop(first);

        assert_eq!(refused, NotNow::Full);
        assert!(gate.ask().is_ok());
    }
}
