//! What the process says of itself: logs and metrics.
mod logs;
pub mod metrics;
pub mod runtime;

use anyhow::Context;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use prometheus::{Registry, TextEncoder};

use crate::config::log::Log;

pub use metrics::Metrics;
/// A metric's label, so that nobody else need name OpenTelemetry.
pub use opentelemetry::KeyValue as Label;

/// The metrics of one node, and the way to read them. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    metrics: Metrics,
    registry: Registry,
    provider: SdkMeterProvider,
}

impl Telemetry {
    /// Begins to log, for the whole process, and to count.
    pub fn init(log: &Log) -> anyhow::Result<Self> {
        logs::init(log)?;
        Self::without_logs()
    }

    /// Counts, and leaves the process' logs alone: for tests that run many nodes in one process.
    pub fn without_logs() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // All our metrics are of one scope; its name on each line would say nothing.
            .scope_info_enabled(false)
            .build()
            .context("the metrics' exporter")?;
        // Empty to begin with: the detectors would read OTEL_… variables, which are not ours.
        let resource = Resource::builder_empty().with_service_name("hubbub").build();
        let provider =
            SdkMeterProvider::builder().with_reader(exporter).with_resource(resource).build();
        let metrics = Metrics::new(&provider.meter("hubbub"));
        Ok(Self { metrics, registry, provider })
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All metrics as Prometheus' text. Empty, with an error in the log, if they cannot be written:
    /// a scrape without our metrics is noticed, and no reason to fail the process.
    pub fn render(&self) -> String {
        runtime::count_tasks(&self.metrics);
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics cannot be written as text");
            String::new()
        })
    }

    /// Hands over what is not yet handed over, and ends. Once, at the end of the process.
    pub fn shutdown(self) -> anyhow::Result<()> {
        self.provider.force_flush().context("the metrics cannot be flushed")?;
        self.provider.shutdown().context("the metrics cannot be shut down")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_can_be_scraped_with_its_description() {
        let telemetry = Telemetry::without_logs().unwrap();

        telemetry.metrics().acked.add(2, &[]);
        telemetry.metrics().store_up.record(1, &[]);
        telemetry.metrics().append_seconds.record(0.002, &[Label::new("result", "ok")]);

        let text = telemetry.render();
        for line in [
            "# HELP hubbub_acked_total Messages acknowledged to clients.",
            "# TYPE hubbub_acked_total counter",
            "hubbub_acked_total 2",
            "hubbub_store_up 1",
            "hubbub_append_seconds_bucket{result=\"ok\",le=\"0.001\"} 0",
            "hubbub_append_seconds_bucket{result=\"ok\",le=\"0.0025\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
        telemetry.shutdown().unwrap();
    }

    #[test]
    fn two_nodes_of_one_process_count_apart() {
        let [one, other] = [(); 2].map(|()| Telemetry::without_logs().unwrap());

        one.metrics().dup.add(1, &[]);
        Metrics::none().dup.add(1, &[]);

        assert!(one.render().contains("hubbub_dup_total 1"));
        assert!(!other.render().contains("hubbub_dup_total"));
    }
}
