//! What an event may use: ports and services, never a backend and never a socket.
use std::sync::Arc;

use crate::{
    adapter::Adapter,
    auth::{guest::Guests, jwt::Tokens},
    config::Config,
    lifecycle::Lifecycle,
    policy::{moderation::Moderation, roles::Roles},
    rooms::{Rooms, presence::Presence},
    store::{log::Log, trouble::Trouble},
    telemetry::{Traces, metrics::Metrics},
};

#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    /// This node's name as people see it.
    pub node: Arc<str>,
    pub log: Arc<dyn Log>,
    pub adapter: Arc<dyn Adapter>,
    pub rooms: Rooms,
    pub presence: Presence,
    pub guests: Guests,
    /// None where guests come in.
    pub tokens: Option<Tokens>,
    pub moderation: Moderation,
    pub roles: Roles,
    /// Whether the store takes what is said.
    pub trouble: Trouble,
    pub metrics: Metrics,
    pub traces: Traces,
    pub lifecycle: Lifecycle,
}
