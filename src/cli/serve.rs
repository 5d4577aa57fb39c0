//! `hubbub serve`: a node, from its configuration to the last flush.
use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::runtime::Builder;

use super::Failed;
use crate::{
    config::Config,
    lifecycle::Lifecycle,
    telemetry::{Telemetry, begin_to_log},
};

/// For what is left on the runtime when the run has ended. The drain has had its time by then; a
/// task that still blocks a thread must not hold the exit.
const LAST_CHANCE: Duration = Duration::from_secs(1);

pub(super) fn serve(config: Config) -> Result<(), Failed> {
    // What the filter's parser refuses is a setting that is wrong.
    let wrong = |error: anyhow::Error| Failed::Configuration(format!("{error:#}"));
    begin_to_log(&config.log).map_err(wrong)?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be built")?;
    super::use_ring();
    // What a collector is told must not wait for the node's own work, and outlives it.
    let sender = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let sender = sender.context("the sender's runtime cannot be built")?;
    let node = crate::app::name_of(&config);
    let telemetry = Telemetry::init(&config.telemetry, &node, &sender).map_err(wrong)?;

    let run = crate::app::run(Arc::new(config), node, telemetry.clone(), Lifecycle::default());
    let outcome = runtime.block_on(run);

    runtime.shutdown_timeout(LAST_CHANCE);
    telemetry.shutdown();
    sender.shutdown_background();
    Ok(outcome?)
}
