//! How the runtime is: how many tasks it has, and how late it wakes them.
use std::time::Duration;

use tokio::{runtime::Handle, time::Instant};

use super::Metrics;

/// Between two looks: often enough for a 99th percentile of a minute, too seldom to be felt.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Measures, for ever, how late a task runs that asked to be woken.
pub async fn measure_lag(metrics: Metrics) {
    loop {
        let due = Instant::now() + LOOK_EVERY;
        tokio::time::sleep_until(due).await;
        metrics.runtime_lag_seconds.record(due.elapsed().as_secs_f64(), &[]);
    }
}

/// Tasks that are alive now.
pub(super) fn count_tasks(metrics: &Metrics) {
    if let Ok(runtime) = Handle::try_current() {
        metrics.runtime_tasks.record(runtime.metrics().num_alive_tasks() as u64, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn lag_and_tasks_are_told() {
        let telemetry = Telemetry::without_logs().unwrap();
        #[expect(clippy::disallowed_methods, reason = "what is counted")]
        let tasks = [(); 3].map(|()| tokio::spawn(std::future::pending::<()>()));

        let told = async {
            let mut looks = tokio::time::interval(LOOK_EVERY / 10);
            while !telemetry.render().contains("hubbub_runtime_lag_seconds_count 2") {
                looks.tick().await;
            }
        };
        tokio::select! {
            () = measure_lag(telemetry.metrics().clone()) => unreachable!("it goes on for ever"),
            () = told => {}
        }

        let text = telemetry.render();
        assert!(text.contains("hubbub_runtime_tasks 3"), "{text}");
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
