//! `hubbub doctor URL`: connects as a client would and names the classic mistakes of a set-up.
mod internal;
mod polling;
mod report;
mod session;
mod websocket;

use std::time::Duration;

use anyhow::Context;
use reqwest::Url;

use self::{report::Report, session::Visit};
use super::Failed;

/// How long an answer may take that nothing has to be waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest anybody may ask to be watched.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(super) struct Ask {
    /// The public address, such as <https://chat.example.org>.
    url: Url,
    /// For how long an idle connection is watched; until the first ping has come through if not given.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    watch: Option<Duration>,
    /// The origin of pages that have to be let in, such as <https://www.example.org>.
    #[arg(long)]
    origin: Option<String>,
    /// The internal address of a node; may be given again, for each.
    #[arg(long, value_name = "URL")]
    internal: Vec<Url>,
    /// Says it as JSON.
    #[arg(long)]
    json: bool,
}

/// `Ok`: there is nothing to complain of.
pub(super) fn examine(ask: &Ask) -> Result<(), Failed> {
    if !["http", "https"].contains(&ask.url.scheme()) {
        return Err(Failed::Configuration(format!("{} is neither http nor https", ask.url)));
    }
    super::use_ring();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.context("the runtime cannot be built")?.block_on(visit(ask))?;
    report.say(ask.json)?;
    match (report.is_reached(), report.findings()) {
        (false, _) => Err(Failed::Unreachable(ask.url.to_string())),
        (true, 0) => Ok(()),
        (true, count) => Err(Failed::Unhealthy(count)),
    }
}

async fn visit(ask: &Ask) -> anyhow::Result<Report> {
    let mut report = Report::new(&ask.url);
    let visit = Visit::new(&ask.url, ask.origin.clone())?;
    // What is inside helps to understand what is seen from outside.
    internal::look(&visit.client, &ask.internal, &mut report).await;
    let polling = polling::knock(&visit, &mut report).await;
    if !report.is_reached() {
        return Ok(report);
    }
    let watch = ask.watch.map(|time| time.min(LONGEST));
    // Idle time is spent on both at once.
    let (mut by_polling, mut by_websocket) = (report.part(), report.part());
    tokio::join!(
        async {
            if let Some(opened) = polling {
                polling::look(&visit, &opened, watch, &mut by_polling).await;
            }
        },
        websocket::look(&visit, watch, &mut by_websocket),
    );
    report.add(by_polling);
    report.add(by_websocket);
    Ok(report)
}
