//! Whether one more session may begin on this node. Asked before anything is made for it; sessions
//! that are open are never asked again.
use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::{limits::Limits, server::Server},
    domain::address::Address,
};

/// New sessions of one address at once, as seconds of its rate.
const BURST: u32 = 4;
/// Addresses that are counted; past it, those that have nothing open are forgotten, and whoever
/// comes from yet another one is counted among all only.
const MOST_ADDRESSES: usize = 100_000;

/// A session's place among those that may be open, for as long as it is held.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    of: Option<(Address, Arc<Addresses>)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((address, addresses)) = &self.of {
            addresses.leave(*address);
        }
    }
}

/// Why not now; the label of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotNow {
    /// As many are open as may be.
    Full,
    /// Too many came at once.
    Admission,
    /// As many are open from this address as may be.
    AddressFull,
    /// Too many came from this address at once.
    Address,
}

/// The gate of one node.
pub struct Admission {
    bucket: DefaultDirectRateLimiter,
    places: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

/// What each address has.
#[derive(Debug)]
struct Addresses {
    most: usize,
    every: Duration,
    counted: Mutex<HashMap<Address, Counted>>,
}

#[derive(Debug)]
struct Counted {
    open: usize,
    /// Until when what came is spoken for.
    taken: Instant,
}

impl Addresses {
    /// `false`: it is not counted.
    fn enter(&self, address: Address, now: Instant) -> Result<bool, NotNow> {
        let mut counted = self.counted.lock();
        if counted.len() >= MOST_ADDRESSES && !counted.contains_key(&address) {
            counted.retain(|_, has| has.open > 0 || has.taken > now);
            if counted.len() >= MOST_ADDRESSES {
                return Ok(false);
            }
        }
        let has = counted.entry(address).or_insert(Counted { open: 0, taken: now });
        if has.open >= self.most {
            return Err(NotNow::AddressFull);
        }
        let taken = has.taken.max(now);
        let taken = taken + self.every;
        if taken.duration_since(now) > Duration::from_secs(BURST.into()) {
            return Err(NotNow::Address);
        }
        has.taken = taken;
        has.open += 1;
        Ok(true)
    }

    fn leave(&self, address: Address) {
        let mut counted = self.counted.lock();
        if let Some(has) = counted.get_mut(&address) {
            has.open = has.open.saturating_sub(1);
            if has.open == 0 && has.taken <= Instant::now() {
                counted.remove(&address);
            }
        }
    }
}

impl Admission {
    pub fn new(config: &Server, limits: &Limits) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_cores(config, limits, u32::try_from(cores).unwrap_or(u32::MAX))
    }

    fn with_cores(config: &Server, limits: &Limits, cores: u32) -> Self {
        let cores = NonZeroU32::new(cores).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(config.session_rate.saturating_mul(cores))
            .allow_burst(config.session_burst);
        let places = Arc::new(Semaphore::new(config.max_sessions));
        let addresses = Addresses {
            most: limits.sessions_per_address,
            every: Duration::from_secs(1) / limits.session_rate_per_address.get(),
            counted: Mutex::default(),
        };
        Self { bucket: RateLimiter::direct(quota), places, addresses: Arc::new(addresses) }
    }

    /// Whoever comes from an address takes nothing of what others have; this machine itself is
    /// not counted by address.
    pub fn ask(&self, address: Option<Address>) -> Result<Place, NotNow> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| NotNow::Full)?;
        let mut place = Place { _permit: permit, of: None };
        if let Some(address) = address.filter(|address| !address.is_loopback())
            && self.addresses.enter(address, Instant::now())?
        {
            place.of = Some((address, self.addresses.clone()));
        }
        match self.bucket.check() {
            Ok(()) => Ok(place),
            Err(_) => Err(NotNow::Admission),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn gate(burst: u32, most: usize) -> Admission {
        let Config { mut server, mut limits, .. } = Config::built_in();
        server.session_rate = NonZeroU32::MIN;
        server.session_burst = NonZeroU32::new(burst).unwrap();
        server.max_sessions = most;
        limits.sessions_per_address = 3;
        limits.session_rate_per_address = NonZeroU32::MIN;
        Admission::with_cores(&server, &limits, 1)
    }

    fn ask(gate: &Admission, from: &str) -> Result<Place, NotNow> {
        gate.ask(Some(from.parse().unwrap()))
    }

    #[test]
    fn so_many_at_once_and_no_more() {
        let gate = gate(3, 100);

        let asked: Vec<_> = (0..4).map(|_| gate.ask(None)).collect();

        assert!(asked[..3].iter().all(Result::is_ok), "{asked:?}");
        assert_eq!(asked[3].as_ref().unwrap_err(), &NotNow::Admission);
    }

    #[test]
    fn a_place_is_free_again_when_its_session_is_gone() {
        let gate = gate(100, 1);
        let first = gate.ask(None).unwrap();
        let refused = gate.ask(None).unwrap_err();

        drop(first);

        assert_eq!(refused, NotNow::Full);
        assert!(gate.ask(None).is_ok());
    }

    #[test]
    fn one_address_has_so_many_and_takes_none_of_another_s() {
        let gate = gate(100, 100);
        let mut open: Vec<_> = (0..3).map(|_| ask(&gate, "192.0.2.1").unwrap()).collect();

        assert_eq!(ask(&gate, "192.0.2.1").unwrap_err(), NotNow::AddressFull);
        ask(&gate, "192.0.2.2").unwrap();
        open.pop();
        // The fourth at once; there is no fifth, though a place is free again.
        drop(ask(&gate, "192.0.2.1").unwrap());
        assert_eq!(ask(&gate, "192.0.2.1").unwrap_err(), NotNow::Address);
        ask(&gate, "192.0.2.2").unwrap();
        for _ in 0..10 {
            ask(&gate, "127.0.0.1").unwrap();
        }
    }
}
