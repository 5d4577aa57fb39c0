//! Configuration: one section a file, each knowing what its values mean and which are impossible.
//! `config/default.toml` is the manual and the first layer; see [`load`] for the others.
pub mod auth;
mod bounds;
pub mod classic;
pub mod drain;
pub mod engine;
mod error;
pub mod internal;
mod keys;
mod layers;
pub mod limits;
mod load;
pub mod log;
pub mod presence;
pub mod rooms;
pub mod server;
pub mod store;
pub mod telemetry;

use std::ffi::OsString;

use serde::Deserialize;

pub use bounds::Impossible;
pub use error::ConfigError;
pub use load::{Arguments, Loaded, Setting, load};

/// `config/default.toml`: every key with its meaning, its bounds and its default.
pub const MANUAL: &str = include_str!("../../config/default.toml");

/// Everything that can be set, parsed and checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: server::Server,
    pub internal: internal::Internal,
    pub store: store::Store,
    pub engine: engine::Engine,
    pub classic: classic::Classic,
    pub auth: auth::Auth,
    pub rooms: rooms::Rooms,
    pub presence: presence::Presence,
    pub limits: limits::Limits,
    pub drain: drain::Drain,
    pub log: log::Log,
    pub telemetry: telemetry::Telemetry,
}

impl Config {
    /// What the manual says, and nothing else.
    pub fn built_in() -> Self {
        let nothing: [(OsString, OsString); 0] = [];
        load(&Arguments::default(), nothing)
            .expect("the built-in layer is part of the binary, and a test loads it")
            .config
    }

    /// Refuses what cannot be, within a section and between two.
    pub fn validate(&self) -> Result<(), Impossible> {
        self.server.validate()?;
        self.internal.validate()?;
        self.store.validate()?;
        self.engine.validate()?;
        self.classic.validate()?;
        self.auth.validate()?;
        self.rooms.validate()?;
        self.presence.validate()?;
        self.limits.validate()?;
        self.drain.validate()?;
        self.log.validate()?;
        self.telemetry.validate()?;
        self.validate_together()
    }

    /// Whether clients of Socket.IO 1 and 2 may come in: they know only the tutorials' dialects.
    pub fn speaks_eio3(&self) -> bool {
        self.engine.eio3 && self.classic.enabled
    }

    fn validate_together(&self) -> Result<(), Impossible> {
        let listen = self.internal.listen;
        if listen == self.server.listen && listen.port() != 0 {
            let says = "must be another address than server.listen: probes and metrics are not \
                        for clients";
            let against = Some("server.listen");
            return Err(Impossible { against, ..Impossible::new("internal.listen", listen, says) });
        }
        if self.server.max_sessions >= self.server.max_connections {
            // Nobody could be told that the node is full.
            return Err(Impossible::against(
                "server.max_sessions",
                &self.server.max_sessions,
                "less than",
                ("server.max_connections", &self.server.max_connections),
            ));
        }
        if self.limits.unsent_bytes < self.engine.max_event {
            // One event would close the connection as too slow.
            return Err(Impossible::against(
                "limits.unsent_bytes",
                &self.limits.unsent_bytes,
                "at least",
                ("engine.max_event", &self.engine.max_event),
            ));
        }
        Ok(())
    }
}

/// The process' environment, for [`load`].
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

#[cfg(test)]
mod tests;
