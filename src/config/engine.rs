//! `[engine]`: Engine.IO, the transport under Socket.IO.
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use super::{
    Impossible,
    bounds::{MINUTE, ms, within},
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    #[serde(with = "humantime_serde")]
    pub ping_timeout: Duration,
    /// How long a session may go without entering a namespace.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long the change from polling to WebSocket may take.
    #[serde(with = "humantime_serde")]
    pub upgrade_timeout: Duration,
    /// How long a message may take on a WebSocket, from its first byte to its last.
    #[serde(with = "humantime_serde")]
    pub message_timeout: Duration,
    /// The largest event, on either transport.
    pub max_event: ByteSize,
    /// The largest body of a polling request, which may carry many events.
    pub max_body: ByteSize,
    /// Whether clients of Socket.IO 1 and 2 may come in; only while `classic.enabled`.
    pub eio3: bool,
    /// Whether long-polling is offered; without it a balancer needs no stickiness.
    pub polling: bool,
}

impl Engine {
    pub fn validate(&self) -> Result<(), Impossible> {
        let times = ms(100)..=5 * MINUTE;
        within("engine.ping_interval", self.ping_interval, times.clone())?;
        within("engine.ping_timeout", self.ping_timeout, times.clone())?;
        within("engine.connect_timeout", self.connect_timeout, times.clone())?;
        within("engine.upgrade_timeout", self.upgrade_timeout, times.clone())?;
        within("engine.message_timeout", self.message_timeout, times)?;
        let sizes = ByteSize::kib(1)..=ByteSize::mib(100);
        within("engine.max_event", self.max_event, sizes.clone())?;
        within("engine.max_body", self.max_body, sizes)?;
        if self.max_event > self.max_body {
            return Err(Impossible::against(
                "engine.max_event",
                &self.max_event,
                "at most",
                ("engine.max_body", &self.max_body),
            ));
        }
        Ok(())
    }
}
