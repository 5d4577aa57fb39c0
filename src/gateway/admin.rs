//! `/livez`, `/readyz` and `/metrics`, on an address of their own: nothing here is for clients.
use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the probes ask.
pub trait Health: Send + Sync {
    /// Says what it has, a line each; `Err` in a few words why new sessions should go elsewhere.
    fn ready(&self) -> Result<String, String>;
    /// Prometheus' text.
    fn metrics(&self) -> String;
}

/// Serves until `closed`.
pub(super) async fn serve(
    listener: TcpListener,
    health: Arc<dyn Health>,
    closed: CancellationToken,
) {
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    let served = axum::serve(listener, router).with_graceful_shutdown(closed.cancelled_owned());
    if let Err(error) = served.await {
        tracing::warn!(%error, "the internal address has failed");
    }
}

async fn ready(State(health): State<Arc<dyn Health>>) -> impl IntoResponse {
    match health.ready() {
        Ok(has) => (StatusCode::OK, format!("ready\n{has}")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(health): State<Arc<dyn Health>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics())
}
