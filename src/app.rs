//! The composition root: builds everything from the configuration, and runs it until told to stop.
use std::sync::Arc;

use crate::{config::Config, lifecycle::Lifecycle, telemetry::Telemetry};

/// Runs until told to stop.
pub async fn run(
    config: Arc<Config>,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    telemetry.metrics().store_up.record(0, &[]);
    tracing::info!(listen = %config.server.listen, store = config.store.masked_url(), "started");
    let why = lifecycle.until_told_to_stop().await?;
    tracing::info!(?why, "stopping");
    lifecycle.finish(config.drain.deadline).await;
    Ok(())
}
