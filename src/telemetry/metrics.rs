//! Every metric we export, one line each: its doc is its description, its name follows `hubbub_`.
use std::fmt::Write as _;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider, UpDownCounter},
};

/// Histograms count seconds. From an append to the file or the Redis next door (half a millisecond)
/// to the longest a store may take before its command has failed (`store.command_timeout`, 2 s by
/// default) and what lies beyond; each step is two to two and a half times the one before.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];

/// What can make a room read its log.
const GAP_CAUSES: &[&str] =
    &["reconnected", "lagged", "unreadable", "out_of_turn", "position_check", "join"];

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty,)*) => {
        /// The instruments. Labels are few and fixed: never a room, a user or a client's text.
        #[derive(Clone)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: $kind,)*
        }

        /// Each as Prometheus shows it: name, kind, description.
        pub const ALL: &[(&str, &str, &str)] = &[
            $((concat!("hubbub_", stringify!($name)), stringify!($kind), concat!($($doc),+)),)*
        ];

        impl Metrics {
            pub fn new(meter: &Meter) -> Self {
                let metrics = Self {
                    $($name: Instrument::make(
                        meter,
                        concat!("hubbub_", stringify!($name)),
                        concat!($($doc),+).trim_ascii(),
                    ),)*
                };
                metrics.begin_at_nothing();
                metrics
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
    /// Hosted rooms brought level with their log again, by what had made it necessary.
    room_resync: Counter<u64>,
    /// For how long the room that has waited longest has been behind its log, in seconds.
    gap_age_seconds: Gauge<f64>,
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
    /// Times the keys of tokens could not be fetched or read.
    token_key_failures: Counter<u64>,
    /// Sockets let in or refused, by result: `ok`, or the code of the refusal.
    connects: Counter<u64>,
    /// Sockets gone, by reason.
    disconnects: Counter<u64>,
    /// Connections, by transport.
    connections: Gauge<u64>,
    /// Connections by namespace.
    sessions: UpDownCounter<i64>,
    /// Handshakes refused at the door, by reason.
    handshake_refused: Counter<u64>,
    /// Bytes that a connection has been sent and has not taken, by quantile: 0.99, and 1 for the most.
    outbound_bytes: Gauge<u64>,
    /// Lists and presence that found no room on the way to this node's connections.
    dropped_messages: Counter<u64>,
    /// Rooms this node hosts.
    hosted_rooms: UpDownCounter<i64>,
    /// Dead nodes this node cleaned up after.
    reaped: Counter<u64>,
    /// Since when this node has not renewed its lease, in seconds; it is declared dead at `presence.lease`.
    node_lease_age_seconds: Gauge<f64>,
    /// How long a command to Redis took, by result, in seconds.
    redis_command_seconds: Histogram<f64>,
    /// Times Redis was lost and found again.
    redis_reconnects: Counter<u64>,
    /// 2 while commands to the store are refused at once, 1 while those to one server of a cluster
    /// are, else 0.
    store_breaker_state: Gauge<u64>,
    /// 1 while this node is going away.
    draining: Gauge<u64>,
    /// 1; its label is the release.
    build_info: Gauge<u64>,
    /// Spans that were not sent, by reason.
    spans_dropped: Counter<u64>,
    /// 1 while the store answers.
    store_up: Gauge<u64>,
    /// Tasks of the runtime that are alive.
    runtime_tasks: Gauge<u64>,
    /// How late a task ran that had asked to be woken, ten times a second, in seconds.
    runtime_lag_seconds: Histogram<f64>,
}

impl Metrics {
    /// A counter that is first seen at 1 has not grown in anybody's eyes: what alerts ask about is
    /// there from the start.
    fn begin_at_nothing(&self) {
        let Self { acked, delivered, dup, slow_closed, reaped, .. } = self;
        let Self { dropped_messages, redis_reconnects, token_key_failures, .. } = self;
        for counter in [
            acked,
            delivered,
            dup,
            slow_closed,
            reaped,
            dropped_messages,
            redis_reconnects,
            token_key_failures,
        ] {
            counter.add(0, &[]);
        }
        for namespace in ["chat", "classic"] {
            self.sessions.add(0, &[KeyValue::new("namespace", namespace)]);
        }
        self.hosted_rooms.add(0, &[]);
        let labelled: [(&Counter<u64>, &'static str, &[&'static str]); 10] = [
            (&self.join_reads, "from", &["memory", "store"]),
            (&self.inbound_rejected, "code", &["bad_request", "rate_limited", "unavailable"]),
            (&self.fanout_gap, "cause", GAP_CAUSES),
            (&self.room_resync, "cause", GAP_CAUSES),
            (&self.client_reset, "reason", &["epoch_changed", "diverged", "rolled_back"]),
            (
                &self.closed,
                "reason",
                &["slow_consumer", "draining", "too_large", "rate_limited", "unfinished"],
            ),
            (&self.connects, "result", &["ok"]),
            (&self.disconnects, "reason", &["client_closed", "transport_error", "ping_timeout"]),
            (&self.handshake_refused, "reason", &["origin", "draining", "full", "admission"]),
            (&self.spans_dropped, "reason", &["queue_full", "not_taken"]),
        ];
        for (counter, label, values) in labelled {
            for value in values {
                counter.add(0, &[KeyValue::new(label, *value)]);
            }
        }
    }

    /// For tests: counts, and nobody can ask how much.
    pub fn none() -> Self {
        Self::new(&NoopMeterProvider::new().meter("hubbub"))
    }
}

/// `docs/metrics.md`.
pub fn page() -> String {
    let mut page = PREFACE.to_owned();
    let mut all = ALL.to_vec();
    all.sort_unstable();
    for (name, kind, says) in all {
        let (name, kind) = match kind {
            "Counter<u64>" => (format!("{name}_total"), "counter"),
            "Histogram<f64>" => (name.to_owned(), "histogram"),
            _ => (name.to_owned(), "gauge"),
        };
        let _ = writeln!(page, "| `{name}` | {kind} | {} |", says.trim().replace("  ", " "));
    }
    page
}

const PREFACE: &str = "\
# Metrics

Everything a node says of itself at `/metrics` of its internal address, and by OTLP where
`telemetry.metrics_endpoint` is set. Written from the code (`make protocol`); a test finds each one on a living node.
Besides these, `process_*` is what the system knows of the process: processor, memory, file descriptors.
No room, no user and nothing a client wrote is ever a label.

| metric | kind | what it says |
|---|---|---|
";

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

impl Instrument for Gauge<f64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        meter.f64_gauge(name).with_description(description).build()
    }
}

impl Instrument for Histogram<f64> {
    fn make(meter: &Meter, name: &'static str, description: &'static str) -> Self {
        let histogram = meter.f64_histogram(name).with_description(description);
        histogram.with_boundaries(SECONDS.to_vec()).build()
    }
}
