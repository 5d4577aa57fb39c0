//! Configuration: one section a file, each knowing what its values mean and which are impossible.
//! `config/default.toml` is the manual and the first layer; see [`load`] for the others.
pub mod auth;
pub mod classic;
pub mod drain;
pub mod engine;
pub mod internal;
pub mod limits;
pub mod log;
pub mod presence;
pub mod rooms;
pub mod server;
pub mod store;

use serde::Deserialize;

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
}
