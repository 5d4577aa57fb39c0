//! The only source of time and of ids.
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::{
    Invalid,
    id::{ConnectionId, Epoch, MessageId, NodeId, RoomId, UserId},
    room::PRIVATE,
};

/// Milliseconds since 1970, by this machine. For ages and lifetimes; never for order.
pub fn now_ms() -> u64 {
    now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// This machine's time, for spans.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// 128 random bits as 26 letters and digits.
pub fn random_text() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// Makes an id of `prefix` and 128 random bits.
fn random<T: std::str::FromStr>(prefix: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{prefix}{}", random_text()).parse().expect("letters and digits make every id")
}

pub fn new_connection() -> ConnectionId {
    random("c_")
}

pub fn new_guest() -> UserId {
    random("g_")
}

pub fn new_node() -> NodeId {
    random("n_")
}

pub fn new_epoch() -> Epoch {
    random("e")
}

/// The id of a private room, which nobody guesses; it ends in what its creator would call it.
pub fn new_private_room(called: Option<&RoomId>) -> Result<RoomId, Invalid> {
    let called = called.map(|called| format!("_{called}")).unwrap_or_default();
    format!("{PRIVATE}{}{called}", random_text()).parse()
}

/// A mid for whoever cannot make its own: a tutorial's page.
#[expect(clippy::disallowed_methods, reason = "the one place that makes message ids")]
pub fn new_mid() -> MessageId {
    uuid::Uuid::now_v7().to_string().parse().expect("a UUID is a mid")
}

/// A duration somewhere within ± 20 % of this one, so that nodes do not act in step.
pub fn jitter(around: std::time::Duration) -> std::time::Duration {
    let random = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    around.mul_f64(0.8 + 0.4 * random)
}

/// A duration somewhere between nothing and this one.
pub fn some_of(most: std::time::Duration) -> std::time::Duration {
    most.mul_f64(f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0))
}
