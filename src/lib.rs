//! Hubbub: stock `socket.io-client` in front, any number of stateless nodes, Redis behind.
pub mod adapter;
pub mod auth;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod gateway;
pub mod lifecycle;
pub mod policy;
pub mod rooms;
pub mod state;
pub mod store;
pub mod telemetry;
