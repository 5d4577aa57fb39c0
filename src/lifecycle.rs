//! Signals, the soft and the hard stop, and every task that somebody waits for.
use std::{future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFuture},
    task::TaskTracker,
};

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM: an orchestrator moves us; balancers need time to notice.
    Terminated,
    /// Ctrl-C: a person is waiting.
    Interrupted,
    /// A part that the process cannot do without has failed.
    Failed,
}

/// The life of the process, shared by all that live in it.
#[derive(Clone)]
pub struct Lifecycle {
    /// The soft stop: no new work, finish what is begun.
    soft: CancellationToken,
    /// The hard stop: let go.
    hard: CancellationToken,
    tasks: TaskTracker,
    ending: Arc<Mutex<Option<Ending>>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let hard = CancellationToken::new();
        Self { soft: hard.child_token(), hard, tasks: TaskTracker::new(), ending: Arc::default() }
    }
}

impl Lifecycle {
    /// Runs a task that the shutdown waits for. It is dropped at the hard stop.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        tokio::spawn(self.tasks.track_future(async move {
            hard.run_until_cancelled(task).await;
        }));
    }

    /// Runs a task until the soft stop.
    pub fn spawn_until_stop(&self, task: impl Future<Output = ()> + Send + 'static) {
        let soft = self.soft.clone();
        self.spawn(async move {
            soft.run_until_cancelled(task).await;
        });
    }

    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Resolves at the soft stop.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.soft.cancelled()
    }

    /// Why it ends; `None` while it goes on.
    pub fn ending(&self) -> Option<Ending> {
        *self.ending.lock()
    }

    /// Begins the soft stop. The first reason counts.
    pub fn stop(&self, why: Ending) {
        self.ending.lock().get_or_insert(why);
        self.soft.cancel();
    }

    /// Waits until the orchestrator or a person says stop, or [`Lifecycle::stop`] was called.
    pub async fn until_told_to_stop(&self) -> std::io::Result<Ending> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let why = tokio::select! {
            _ = terminate.recv() => Ending::Terminated,
            _ = interrupt.recv() => Ending::Interrupted,
            () = self.soft.cancelled() => Ending::Failed,
        };
        self.ending.lock().get_or_insert(why);
        Ok(self.ending().unwrap_or(why))
    }

    /// Waits for every task, but not longer than this; then drops what is left.
    /// `true`: all had ended by themselves.
    pub async fn finish(&self, within: Duration) -> bool {
        self.soft.cancel();
        self.tasks.close();
        let all = tokio::time::timeout(within, self.tasks.wait()).await.is_ok();
        self.hard.cancel();
        all
    }
}
