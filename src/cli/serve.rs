//! `hubbub serve`: a node, from its configuration to the last flush.
use std::{sync::Arc, time::Duration};

use anyhow::Context;

use super::Failed;
use crate::{config::Config, lifecycle::Lifecycle, telemetry::Telemetry};

/// For what is left on the runtime when the run has ended. The drain has had its time by then; a
/// task that still blocks a thread must not hold the exit.
const LAST_CHANCE: Duration = Duration::from_secs(1);

pub(super) fn serve(config: Config) -> Result<(), Failed> {
    // What the filter's parser refuses is a setting that is wrong.
    let telemetry = Telemetry::init(&config.log)
        .map_err(|error| Failed::Configuration(format!("{error:#}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be built")?;

    let run = crate::app::run(Arc::new(config), telemetry.clone(), Lifecycle::default());
    let outcome = runtime.block_on(run);

    runtime.shutdown_timeout(LAST_CHANCE);
    let flushed = telemetry.shutdown();
    if let Err(error) = &flushed {
        // Said here, because a run that failed as well has the last word.
        tracing::error!("{error:#}");
    }
    Ok(outcome.and(flushed)?)
}
