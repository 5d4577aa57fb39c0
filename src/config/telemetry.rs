//! `[telemetry]`: what is sent to an OpenTelemetry collector.
use std::time::Duration;

use serde::Deserialize;

use super::{
    Impossible,
    bounds::{HOUR, secs, within},
};

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Grpc,
    /// HTTP with protobuf.
    Http,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces go; empty: nothing is traced.
    pub traces_endpoint: String,
    /// Where metrics go besides `/metrics`; empty: nowhere.
    pub metrics_endpoint: String,
    pub protocol: Protocol,
    /// Which part of what clients ask is traced, from 0 to 1.
    pub trace_ratio: f64,
    /// Whether a client's traceparent decides instead.
    pub parent_based: bool,
    #[serde(with = "humantime_serde")]
    pub metrics_interval: Duration,
}

impl Telemetry {
    pub fn validate(&self) -> Result<(), Impossible> {
        endpoint("telemetry.traces_endpoint", &self.traces_endpoint)?;
        endpoint("telemetry.metrics_endpoint", &self.metrics_endpoint)?;
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            let says = "must be between 0 and 1";
            return Err(Impossible::new("telemetry.trace_ratio", self.trace_ratio, says));
        }
        within("telemetry.metrics_interval", self.metrics_interval, secs(1)..=HOUR)
    }
}

fn endpoint(key: &'static str, given: &str) -> Result<(), Impossible> {
    let rest = given.strip_prefix("http://").or_else(|| given.strip_prefix("https://"));
    let is_address = rest.is_some_and(|rest| {
        !rest.starts_with(['/', ':'])
            && !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_graphic())
    });
    if given.is_empty() || is_address {
        return Ok(());
    }
    let says = "must be empty, or an address such as http://otel-collector:4317";
    Err(Impossible::new(key, format!("{given:?}"), says))
}
