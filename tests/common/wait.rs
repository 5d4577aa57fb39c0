//! Waiting for what must come, and running beside the test.
use std::{future::Future, sync::LazyLock, time::Duration};

/// How long something that must come may take, on a machine whose cores are all busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks of [`eventually`].
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits for something that must come within [`PATIENCE`].
pub(crate) async fn patiently<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, coming).await;
    came.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Looks again and again until there is something to see; the one place that sleeps.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// The same with another bound, for what is promised sooner or later than [`PATIENCE`].
pub(crate) async fn eventually_within<T, F: Future<Output = Option<T>>>(
    bound: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let seen = tokio::time::timeout(bound, seen).await;
    seen.unwrap_or_else(|_| panic!("{what}: not within {bound:?}"))
}

/// Runs beside the test, until it ends or the test does.
#[expect(clippy::disallowed_methods, reason = "a test's runtime ends with the test")]
pub(crate) fn beside<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

/// As many file descriptors as the system lets us have; what is started later inherits them. How
/// many that is.
pub(crate) fn many_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    static MOST: LazyLock<u64> = LazyLock::new(|| {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        maximum.unwrap_or(u64::MAX)
    });
    *MOST
}
