//! Traces: one from a client's words to their delivery on every node. What is not sampled is no
//! span at all, so it costs a branch.
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    metrics::Counter,
    trace::{
        SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer, TracerProvider,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SdkTracer,
        SdkTracerProvider, SpanData, SpanExporter, SpanProcessor,
    },
};
use tracing::Instrument;

use crate::{clock, config::telemetry::Telemetry, domain::trace::TraceParent};

/// Spans that wait to be sent, or are being sent; at it new ones are dropped and counted.
const MOST_WAITING: usize = 4_096;
/// Spans sent at once, and how long the first of them waits for others.
const LARGEST_BATCH: usize = 512;
const BATCH_EVERY: Duration = Duration::from_secs(1);

/// Begins traces, and goes on with those that others began. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Sampling>>);

struct Sampling {
    tracer: SdkTracer,
    ratio: f64,
    parent_based: bool,
}

impl Traces {
    /// Traces nothing.
    pub fn off() -> Self {
        Self::default()
    }

    pub(super) fn new(provider: &SdkTracerProvider, config: &Telemetry) -> Self {
        let (ratio, parent_based) = (config.trace_ratio, config.parent_based);
        Self(Some(Arc::new(Sampling { tracer: provider.tracer("hubbub"), ratio, parent_based })))
    }

    /// When what may turn out to be traced begins; `None`: it will not be.
    pub fn now(&self) -> Option<SystemTime> {
        self.0.as_ref().map(|_| clock::now())
    }

    /// Something a client asked, if it is to be traced: part of the client's trace, or a new one.
    pub fn begin(
        &self,
        name: &'static str,
        since: Option<SystemTime>,
        client: Option<&TraceParent>,
    ) -> Span {
        let (Some(sampling), Some(since)) = (&self.0, since) else { return Span::none() };
        if !sampling.takes(client) {
            return Span::none();
        }
        // Whatever the client's flag said: from here on it is sampled.
        let parent = client.map_or(SpanContext::NONE, |place| context(place, true));
        Span::open(&sampling.tracer, (name, SpanKind::Server), &parent, Some(since))
    }

    /// What somebody else's span is the cause of, on this node.
    pub fn go_on(&self, name: &'static str, from: Option<&TraceParent>) -> Span {
        match (&self.0, from) {
            (Some(sampling), Some(from)) if from.sampled => {
                let parent = context(from, true);
                Span::open(&sampling.tracer, (name, SpanKind::Consumer), &parent, None)
            }
            _ => Span::none(),
        }
    }
}

impl Sampling {
    fn takes(&self, client: Option<&TraceParent>) -> bool {
        if let Some(place) = client.filter(|_| self.parent_based) {
            return place.sampled;
        }
        // By the trace's own number, so that whoever else samples one part in so many of the same
        // trace comes to the same answer.
        let number = match client {
            Some(place) => u128::from_be_bytes(place.trace) & u128::from(u64::MAX),
            None => {
                u64::from_be_bytes(RandomIdGenerator::default().new_span_id().to_bytes()).into()
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
        let share = (number >> 1) as f64 / (1_u64 << 63) as f64;
        share < self.ratio
    }
}

/// A span, ended when it is dropped; or none, if nobody samples it.
pub struct Span(Option<Box<Open>>);

struct Open {
    tracer: SdkTracer,
    span: opentelemetry_sdk::trace::Span,
}

/// Where a task is in a trace.
#[derive(Clone)]
struct Here {
    tracer: SdkTracer,
    at: SpanContext,
}

tokio::task_local! {
    static HERE: Here;
}

/// A part of what this task does; none, if that is not traced.
pub fn part(name: &'static str) -> Span {
    HERE.try_with(|here| Span::open(&here.tracer, (name, SpanKind::Internal), &here.at, None))
        .unwrap_or(Span::none())
}

/// A part that begins when it is known to have begun, and ends now.
pub fn part_since(name: &'static str, since: Option<SystemTime>) {
    HERE.try_with(|here| {
        drop(Span::open(&here.tracer, (name, SpanKind::Internal), &here.at, since));
    })
    .unwrap_or_default();
}

/// Where this task is, for whoever goes on elsewhere.
pub fn here() -> Option<TraceParent> {
    HERE.try_with(|here| place(&here.at)).ok()
}

impl Span {
    pub fn none() -> Self {
        Self(None)
    }

    fn open(
        tracer: &SdkTracer,
        (name, kind): (&'static str, SpanKind),
        parent: &SpanContext,
        since: Option<SystemTime>,
    ) -> Self {
        let mut builder = tracer.span_builder(name).with_kind(kind);
        builder.start_time = since;
        let parent = Context::new().with_remote_span_context(parent.clone());
        let span = tracer.build_with_context(builder, &parent);
        Self(Some(Box::new(Open { tracer: tracer.clone(), span })))
    }

    #[cfg(test)]
    pub(super) fn of(tracer: &SdkTracer) -> Self {
        Self::open(tracer, ("test", SpanKind::Internal), &SpanContext::NONE, None)
    }

    /// Adds a fact: an id or a number, never what somebody wrote.
    pub fn note(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        use opentelemetry::trace::Span as _;
        if let Some(open) = &mut self.0 {
            open.span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// It came to nothing, for this reason.
    pub fn failed(&mut self, code: &'static str) {
        use opentelemetry::trace::Span as _;
        if let Some(open) = &mut self.0 {
            open.span.set_status(Status::error(code));
        }
    }

    /// Does something as a part of this span; what is logged meanwhile carries its trace's id.
    pub async fn around<T: Send>(&self, done: impl Future<Output = T> + Send) -> T {
        use opentelemetry::trace::Span as _;
        let Some(open) = &self.0 else { return done.await };
        let here = Here { tracer: open.tracer.clone(), at: open.span.span_context().clone() };
        // Of the highest level, so that no filter takes the id from those lines that it lets pass.
        let logged = tracing::error_span!("traced", trace_id = %here.at.trace_id());
        HERE.scope(here, Box::pin(done.instrument(logged))).await
    }
}

fn context(place: &TraceParent, is_remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(place.trace), SpanId::from_bytes(place.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, TraceState::NONE)
}

fn place(at: &SpanContext) -> TraceParent {
    let (trace, span) = (at.trace_id().to_bytes(), at.span_id().to_bytes());
    TraceParent { trace, span, sampled: at.is_sampled() }
}

/// A provider that sends by this exporter, within bounds, and counts what it does not.
pub(super) fn provider<E: SpanExporter + 'static>(
    exporter: E,
    resource: Resource,
    dropped: &Counter<u64>,
) -> SdkTracerProvider {
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Sending { exporter, waiting: waiting.clone(), dropped: dropped.clone() };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MOST_WAITING)
        .with_max_export_batch_size(LARGEST_BATCH)
        .with_scheduled_delay(BATCH_EVERY)
        .build();
    let sender = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    SdkTracerProvider::builder()
        // Who is sampled was decided before there was a span.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .with_span_processor(Bounded { sender, waiting, dropped: dropped.clone() })
        .build()
}

/// Lets no more spans wait than [`MOST_WAITING`]. The sender has the same bound, but tells nobody
/// how many it drops at it.
#[derive(Debug)]
struct Bounded {
    sender: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    dropped: Counter<u64>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, cx: &Context) {
        self.sender.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::AcqRel) < MOST_WAITING {
            self.sender.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.dropped.add(1, &[KeyValue::new("reason", "queue_full")]);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.sender.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.sender.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.sender.set_resource(resource);
    }
}

/// Takes what was sent, or could not be, off what waits.
#[derive(Debug)]
struct Sending<E> {
    exporter: E,
    waiting: Arc<AtomicUsize>,
    dropped: Counter<u64>,
}

impl<E: SpanExporter> SpanExporter for Sending<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let sent = self.exporter.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::AcqRel);
        if let Err(error) = &sent {
            tracing::debug!(%error, count, "spans could not be sent");
            self.dropped.add(count as u64, &[KeyValue::new("reason", "not_taken")]);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use parking_lot::Mutex;

    use super::*;
    use crate::telemetry::Telemetry as Node;

    /// Takes nothing until it is let, and keeps nothing.
    #[derive(Debug)]
    struct Blocked(Mutex<mpsc::Receiver<()>>);

    impl SpanExporter for Blocked {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().recv().ok();
            Ok(())
        }
    }

    fn traces(provider: &SdkTracerProvider, ratio: f64) -> Traces {
        let tracer = provider.tracer("hubbub");
        Traces(Some(Arc::new(Sampling { tracer, ratio, parent_based: false })))
    }

    #[test]
    fn spans_past_the_bound_are_dropped_and_counted() {
        let node = Node::local().unwrap();
        let (let_go, blocked) = mpsc::channel();
        let dropped = &node.metrics().spans_dropped;
        let provider =
            provider(Blocked(Mutex::new(blocked)), Resource::builder_empty().build(), dropped);
        let traces = traces(&provider, 1.0);

        for _ in 0..MOST_WAITING + 7 {
            drop(traces.begin("message:send", traces.now(), None));
        }

        let line = "hubbub_spans_dropped_total{reason=\"queue_full\"} 7";
        assert!(node.render().lines().any(|l| l == line), "{}", node.render());
        drop(let_go);
        provider.shutdown().unwrap();
    }

    #[test]
    fn the_share_of_a_trace_is_that_of_its_number() {
        let provider = SdkTracerProvider::builder().build();
        let halved = traces(&provider, 0.5);
        let takes = |trace: &str| {
            let parent = format!("00-{trace}-b7ad6b7169203331-00").parse().unwrap();
            halved.begin("x", halved.now(), Some(&parent)).0.is_some()
        };

        assert!(takes("ffffffffffffffff7fff000000000000"));
        assert!(!takes("00000000000000008000000000000000"));
        let begun = (0..2_000).filter(|_| halved.begin("x", halved.now(), None).0.is_some());
        assert!((800..1_200).contains(&begun.count()));
    }

    #[tokio::test]
    async fn a_part_is_of_where_the_task_is_and_there_is_none_without() {
        let provider = SdkTracerProvider::builder().build();
        let span = traces(&provider, 1.0).begin("message:send", Some(clock::now()), None);

        let (inside, deeper) = span
            .around(async {
                let part = part("append");
                (here().unwrap(), part.around(async { here().unwrap() }).await)
            })
            .await;

        assert_eq!(inside.trace, deeper.trace);
        assert_ne!(inside.span, deeper.span);
        assert!(part("append").0.is_none() && here().is_none());
        let off = Traces::off();
        assert!(off.now().is_none() && off.begin("x", off.now(), Some(&inside)).0.is_none());
    }
}
