//! The run's clock, one for all worker processes, and the timer that wakes an event loop on time.
use std::{io, os::fd::AsRawFd, os::fd::OwnedFd};

use mio::{Interest, Registry, Token, unix::SourceFd};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// Microseconds on the monotonic clock, which all processes of a machine share.
pub(super) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Wakes the event loop to the microsecond: its own timeout counts milliseconds, and half of one
/// would be added to every latency.
pub(super) struct Timer {
    fd: OwnedFd,
    set_to: u64,
}

impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { fd, set_to: 0 })
    }

    /// Wakes at this moment; one that has passed already wakes at once.
    pub(super) fn set(&mut self, at_us: u64) -> io::Result<()> {
        if self.set_to == at_us {
            return Ok(());
        }
        self.set_to = at_us;
        let at = Timespec {
            tv_sec: i64::try_from(at_us / 1_000_000).unwrap_or(i64::MAX),
            // Zero would switch it off.
            tv_nsec: i64::try_from(at_us % 1_000_000).unwrap_or(0) * 1_000 + 1,
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }
}
