//! Every metric we export, one line each: its doc is its description, its name follows `hubbub_`.
use opentelemetry::metrics::{
    Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider, UpDownCounter,
};

/// Histograms count seconds. From an append to the file or the Redis next door (half a millisecond)
/// to the longest a store may take before its command has failed (`store.command_timeout`, 2 s by
/// default) and what lies beyond; each step is two to two and a half times the one before.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty,)*) => {
        /// The instruments. Labels are few and fixed: never a room, a user or a client's text.
        #[derive(Clone)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: $kind,)*
        }

        impl Metrics {
            pub fn new(meter: &Meter) -> Self {
                Self {
                    $($name: Instrument::make(
                        meter,
                        concat!("hubbub_", stringify!($name)),
                        concat!($($doc),+).trim_ascii(),
                    ),)*
                }
            }
        }
    };
}

// Counters get `_total` in Prometheus' text.
metrics! {
    /// Messages acknowledged to clients.
    acked: Counter<u64>,
    /// How long an append took, by result, in seconds.
    append_seconds: Histogram<f64>,
    /// From a message's time in the log to its hand-over to local connections, in seconds.
    delivery_seconds: Histogram<f64>,
    /// Messages handed to connections.
    delivered: Counter<u64>,
    /// Times a hosted room had to read its log to go on, by cause.
    fanout_gap: Counter<u64>,
    /// Pages given to who came into a room or caught up in it, by where they were read: in memory
    /// or, each read of one, in the store.
    join_reads: Counter<u64>,
    /// Resets told to clients, by reason.
    client_reset: Counter<u64>,
    /// Retried messages that were recognised.
    dup: Counter<u64>,
    /// Sessions this node closed, by reason.
    closed: Counter<u64>,
    /// Connections closed because they did not read.
    slow_closed: Counter<u64>,
    /// Client events refused, by code.
    inbound_rejected: Counter<u64>,
    /// Connections by namespace.
    sessions: UpDownCounter<i64>,
    /// Handshakes refused at the door, by reason.
    handshake_refused: Counter<u64>,
    /// Rooms this node hosts.
    hosted_rooms: UpDownCounter<i64>,
    /// Dead nodes this node cleaned up after.
    reaped: Counter<u64>,
    /// 1 while the store answers.
    store_up: Gauge<u64>,
    /// Tasks of the runtime that are alive.
    runtime_tasks: Gauge<u64>,
    /// How late a task ran that had asked to be woken, ten times a second, in seconds.
    runtime_lag_seconds: Histogram<f64>,
}

impl Metrics {
    /// For tests: counts, and nobody can ask how much.
    pub fn none() -> Self {
        Self::new(&NoopMeterProvider::new().meter("hubbub"))
    }
}

/// A kind of instrument, made in the one way its kind is made.
trait Instrument {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self;
}

impl Instrument for Counter<u64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        meter.u64_counter(name).with_description(description).build()
    }
}

impl Instrument for UpDownCounter<i64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        meter.i64_up_down_counter(name).with_description(description).build()
    }
}

impl Instrument for Gauge<u64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        meter.u64_gauge(name).with_description(description).build()
    }
}

impl Instrument for Histogram<f64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        let histogram = meter.f64_histogram(name).with_description(description);
        histogram.with_boundaries(SECONDS.to_vec()).build()
    }
}
