//! Time as this machine had it, for what is promised within a time.
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(5);
/// What one tick may count for: what it took beyond that, the machine was not there for us.
const TICK_AT_MOST: Duration = Duration::from_millis(10);

/// Goes like any clock while the machine has a turn for whoever wants one, and stands still while
/// it has none: a thread that only sleeps is late by then, and so is everybody else.
pub(crate) struct Stopwatch {
    began: u64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { began: microseconds() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_micros(microseconds() - self.began)
    }
}

fn microseconds() -> u64 {
    static SO_FAR: AtomicU64 = AtomicU64::new(0);
    static TICKING: LazyLock<()> = LazyLock::new(|| {
        thread::spawn(|| {
            loop {
                let began = Instant::now();
                thread::sleep(TICK);
                let counted = began.elapsed().min(TICK_AT_MOST).as_micros();
                SO_FAR.fetch_add(u64::try_from(counted).unwrap(), Ordering::Relaxed);
            }
        });
    });
    LazyLock::force(&TICKING);
    SO_FAR.load(Ordering::Relaxed)
}
