//! How a collector is reached: OTLP by gRPC or by HTTP, within a bound.
use std::time::Duration;

use anyhow::Context;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol as Encoding, SpanExporter, WithExportConfig,
    WithTonicConfig, tonic_types::transport::ClientTlsConfig,
};

use crate::config::telemetry::Protocol;

/// How long a collector may take with one batch; then it has not been taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);

pub(super) fn spans(endpoint: &str, protocol: Protocol) -> anyhow::Result<SpanExporter> {
    let builder = SpanExporter::builder();
    let built = match protocol {
        Protocol::Grpc => grpc(builder.with_tonic(), endpoint).build(),
        Protocol::Http => http(builder.with_http(), endpoint, "/v1/traces").build(),
    };
    reached(built, endpoint)
}

pub(super) fn metrics(endpoint: &str, protocol: Protocol) -> anyhow::Result<MetricExporter> {
    let builder = MetricExporter::builder();
    let built = match protocol {
        Protocol::Grpc => grpc(builder.with_tonic(), endpoint).build(),
        Protocol::Http => http(builder.with_http(), endpoint, "/v1/metrics").build(),
    };
    reached(built, endpoint)
}

/// A scheme of https asks for TLS, with the certificates of this machine.
fn grpc<B: WithExportConfig + WithTonicConfig>(builder: B, endpoint: &str) -> B {
    let builder = builder.with_endpoint(endpoint).with_timeout(TAKEN_WITHIN);
    if endpoint.starts_with("https://") {
        builder.with_tls_config(ClientTlsConfig::new().with_native_roots())
    } else {
        builder
    }
}

fn http<B: WithExportConfig>(builder: B, endpoint: &str, path: &str) -> B {
    let address = format!("{}{path}", endpoint.trim_end_matches('/'));
    builder.with_endpoint(address).with_protocol(Encoding::HttpBinary).with_timeout(TAKEN_WITHIN)
}

fn reached<T>(built: Result<T, ExporterBuildError>, endpoint: &str) -> anyhow::Result<T> {
    built.with_context(|| format!("telemetry cannot be sent to {endpoint}"))
}
