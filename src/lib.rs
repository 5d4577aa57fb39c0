//! Hubbub: stock `socket.io-client` in front, any number of stateless nodes, Redis behind.
pub mod adapter;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod lifecycle;
pub mod redis;
pub mod store;
pub mod telemetry;
