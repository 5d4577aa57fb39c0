//! Logs: one line an event on stderr, for a person in a terminal, as JSON for a machine.
use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::log::{Format, Log};

/// Begins to log, for the whole process; only once.
pub(super) fn init(log: &Log) -> anyhow::Result<()> {
    let is_terminal = std::io::stderr().is_terminal();
    let look = Look::of(log.format, is_terminal);
    tracing_subscriber::registry()
        .with(lines(look, std::io::stderr).with_filter(filter(log)?))
        .try_init()
        .context("logging was begun twice")
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Human { colour: bool },
    Json,
}

impl Look {
    fn of(format: Format, is_terminal: bool) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Auto if !is_terminal => Self::Json,
            Format::Auto | Format::Human => Self::Human { colour: is_terminal },
        }
    }
}

fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder()
        .parse(&log.level)
        .map_err(|error| anyhow::anyhow!("log.level = {:?}: {error}", log.level))
}

fn lines<W>(look: Look, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match look {
        Look::Human { colour } => lines.with_ansi(colour).boxed(),
        // The innermost span is enough: its fields are the identifiers one searches by.
        Look::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written when a client's text with a line break and a colour in it is logged.
    fn written(look: Look, level: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = Log { level: level.to_owned(), format: Format::Auto };
        let layer = lines(look, move || writer.clone()).with_filter(filter(&log).unwrap());

        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("message:send", cid = "c_1");
            let _entered = span.enter();
            tracing::info!(agent = "a\n\u{1b}[31mred", "refused");
            tracing::debug!("detail");
        });
        String::from_utf8(written.0.lock().clone()).unwrap()
    }

    #[test]
    fn a_terminal_gets_lines_for_people_and_everything_else_json() {
        assert_eq!(Look::of(Format::Auto, true), Look::Human { colour: true });
        assert_eq!(Look::of(Format::Auto, false), Look::Json);
        assert_eq!(Look::of(Format::Human, false), Look::Human { colour: false });
        assert_eq!(Look::of(Format::Json, true), Look::Json);
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_and_its_span() {
        let text = written(Look::Json, "info");

        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "refused");
        assert_eq!(line["agent"], "a\n\u{1b}[31mred");
        assert_eq!(line["span"]["cid"], "c_1");
    }

    #[test]
    fn what_is_logged_within_a_trace_carries_its_id_whatever_the_level() {
        use opentelemetry::trace::TracerProvider as _;
        let written = Written::default();
        let writer = written.clone();
        let log = Log { level: "warn".to_owned(), format: Format::Json };
        let layer = lines(Look::Json, move || writer.clone()).with_filter(filter(&log).unwrap());
        let subscriber = tracing_subscriber::registry().with(layer);
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let span = crate::telemetry::traces::Span::of(&provider.tracer("hubbub"));

        let mut trace = None;
        tracing::subscriber::with_default(subscriber, || {
            futures_util::future::FutureExt::now_or_never(span.around(async {
                tracing::warn!("slow");
                trace = crate::telemetry::traces::here();
            }))
        });

        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let id = data_encoding::HEXLOWER.encode(&trace.unwrap().trace);
        assert_eq!(line["span"]["trace_id"], id, "{text}");
    }

    #[test]
    fn a_clients_text_neither_breaks_a_line_nor_colours_it() {
        let text = written(Look::Human { colour: false }, "debug");

        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_told_in_one_line() {
        let log = Log { level: "info,[=debug".to_owned(), format: Format::Auto };

        let told = filter(&log).unwrap_err().to_string();

        assert!(told.starts_with("log.level = \"info,[=debug\": "), "{told}");
        assert_eq!(told.lines().count(), 1);
    }
}
