//! What the process says of itself: logs, metrics and traces.
mod logs;
pub mod metrics;
mod otlp;
pub mod runtime;
pub mod traces;

use std::{sync::mpsc, thread, time::Duration};

use anyhow::Context;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::SdkTracerProvider,
};
use prometheus::{Registry, TextEncoder};
use tokio::runtime::Runtime;

use crate::config::{log::Log, telemetry::Telemetry as Settings};

pub use metrics::Metrics;
/// A metric's label, so that nobody else need name OpenTelemetry.
pub use opentelemetry::KeyValue as Label;
pub use traces::Traces;

/// What is not sent by then is not sent. Beyond `drain.deadline`, within the margin behind it.
const FLUSHED_WITHIN: Duration = Duration::from_secs(4);

/// What one node says of itself, and the way to read it. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    metrics: Metrics,
    traces: Traces,
    registry: Registry,
    counting: SdkMeterProvider,
    tracing: Option<SdkTracerProvider>,
}

/// Begins to log, for the whole process.
pub fn begin_to_log(log: &Log) -> anyhow::Result<()> {
    logs::init(log)
}

impl Telemetry {
    /// Counts, and nothing is sent anywhere: for tests that run many nodes in one process.
    pub fn local() -> anyhow::Result<Self> {
        let (exporter, registry) = prometheus_exporter()?;
        let counting = SdkMeterProvider::builder().with_reader(exporter).build();
        let metrics = Metrics::new(&counting.meter("hubbub"));
        Ok(Self { metrics, traces: Traces::off(), registry, counting, tracing: None })
    }

    /// Counts, and sends where it is told to. What is sent goes through `sender`, which lives as
    /// long as the process; that of the node would be gone before the last words.
    pub fn init(settings: &Settings, node: &str, sender: &Runtime) -> anyhow::Result<Self> {
        let _sender = sender.enter();
        let (exporter, registry) = prometheus_exporter()?;
        let mut counting =
            SdkMeterProvider::builder().with_reader(exporter).with_resource(resource(node));
        if !settings.metrics_endpoint.is_empty() {
            let exporter = otlp::metrics(&settings.metrics_endpoint, settings.protocol)?;
            let every = settings.metrics_interval;
            counting = counting
                .with_reader(PeriodicReader::builder(exporter).with_interval(every).build());
        }
        let counting = counting.build();
        let metrics = Metrics::new(&counting.meter("hubbub"));
        let mut tracing = None;
        if !settings.traces_endpoint.is_empty() {
            let exporter = otlp::spans(&settings.traces_endpoint, settings.protocol)?;
            tracing = Some(traces::provider(exporter, resource(node), &metrics.spans_dropped));
        }
        let traces = tracing.as_ref().map_or_else(Traces::off, |t| Traces::new(t, settings));
        Ok(Self { metrics, traces, registry, counting, tracing })
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub fn traces(&self) -> &Traces {
        &self.traces
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

    /// Hands over what is not yet handed over, and ends. Once, at the end of the process. Whoever
    /// does not take it in time is no reason to fail what went well.
    pub fn shutdown(self) {
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            let spans = self.tracing.map_or(Ok(()), |t| t.shutdown_with_timeout(FLUSHED_WITHIN));
            let outcome = spans.and(self.counting.shutdown());
            done.send(outcome).ok();
        });
        match ended.recv_timeout(FLUSHED_WITHIN) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "not all telemetry could be sent"),
            Err(_) => tracing::warn!(within = ?FLUSHED_WITHIN, "not all telemetry was sent"),
        }
    }
}

/// Empty to begin with: the detectors would read OTEL_… variables, which are not ours.
fn resource(node: &str) -> Resource {
    Resource::builder_empty()
        .with_service_name("hubbub")
        .with_attribute(Label::new("service.instance.id", node.to_owned()))
        .with_attribute(Label::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn prometheus_exporter() -> anyhow::Result<(opentelemetry_prometheus::PrometheusExporter, Registry)>
{
    let registry = Registry::new();
    let process = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(process)).context("the process' own metrics")?;
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        // All our metrics are of one scope; its name on each line would say nothing.
        .scope_info_enabled(false)
        .build()
        .context("the metrics' exporter")?;
    Ok((exporter, registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_can_be_scraped_with_its_description() {
        let telemetry = Telemetry::local().unwrap();

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
        telemetry.shutdown();
    }

    #[test]
    fn two_nodes_of_one_process_count_apart() {
        let [one, other] = [(); 2].map(|()| Telemetry::local().unwrap());

        one.metrics().dup.add(1, &[]);
        Metrics::none().dup.add(1, &[]);

        assert!(one.render().contains("hubbub_dup_total 1"));
        assert!(other.render().contains("hubbub_dup_total 0"));
    }
}
