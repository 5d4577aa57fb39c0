//! Every metric we export, one line each: its doc is its description.
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident<$number:ty> $make:ident $wire:literal;)*) => {
        /// The instruments. Labels are few and fixed: never a room, a user or a client's text.
        #[derive(Clone)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: $kind<$number>,)*
        }
        impl Metrics {
            pub fn new(meter: &Meter) -> Self {
                Self { $($name: meter.$make($wire).with_description(concat!($($doc),+).trim()).build(),)* }
            }
        }
    };
}

metrics! {
    /// Messages acknowledged to clients.
    acked: Counter<u64> u64_counter "hubbub_acked";
    /// How long an append took, by result, in seconds.
    append_seconds: Histogram<f64> f64_histogram "hubbub_append_seconds";
    /// From a message's time in the log to its hand-over to local connections, in seconds.
    delivery_seconds: Histogram<f64> f64_histogram "hubbub_delivery_seconds";
    /// Messages handed to connections.
    delivered: Counter<u64> u64_counter "hubbub_delivered";
    /// Times a hosted room had to read its log to go on, by cause.
    fanout_gap: Counter<u64> u64_counter "hubbub_fanout_gap";
    /// Resets told to clients, by reason.
    client_reset: Counter<u64> u64_counter "hubbub_client_reset";
    /// Retried messages that were recognised.
    dup: Counter<u64> u64_counter "hubbub_dup";
    /// Connections closed because they did not read.
    slow_closed: Counter<u64> u64_counter "hubbub_slow_closed";
    /// Client events refused, by code.
    inbound_rejected: Counter<u64> u64_counter "hubbub_inbound_rejected";
    /// Connections by namespace.
    sessions: UpDownCounter<i64> i64_up_down_counter "hubbub_sessions";
    /// Handshakes refused at the door, by reason.
    handshake_refused: Counter<u64> u64_counter "hubbub_handshake_refused";
    /// Rooms this node hosts.
    hosted_rooms: UpDownCounter<i64> i64_up_down_counter "hubbub_hosted_rooms";
    /// Dead nodes this node cleaned up after.
    reaped: Counter<u64> u64_counter "hubbub_reaped";
    /// 1 while the store answers.
    store_up: Gauge<u64> u64_gauge "hubbub_store_up";
}
