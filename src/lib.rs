//! Hubbub: stock `socket.io-client` in front, any number of stateless nodes, Redis behind.
//!
//! # The way a message travels is the way the modules stand
//!
//! *in* → is it well formed? → may they? → **remember it and tell every node (one step)** → *out*
//!
//! [`gateway`] takes a frame off a socket and decodes it into one of the [`events`]; the event asks
//! [`policy`] and appends to the [`store`]'s log, whose append also tells every node by the
//! [`adapter`]'s envelope; on every node [`rooms`] makes what arrives dense and in order and hands
//! it to [`gateway`]'s outboxes. The sender's node hears it like all others. [`domain`] holds the
//! words all of them speak. Each imports only what lies further along; `tests/tidy.rs` holds it.
//!
//! # Invariants
//!
//! * **I1 The log is the truth, pub/sub a hint.** What was acked can be read back by position. What
//!   leaves a node is dense and in order; if continuity cannot be proven the client is told.
//! * **I2 If it decodes, it is valid.** No function behind the pipeline checks a length.
//! * **I3 `events` never sees a socket, `gateway` never sees a backend.**
//! * **I4 Refusals are values with codes.** Only `Internal` is logged as an error, once, and its
//!   cause never reaches a client.
//! * **I5 Nothing is spawned that shutdown does not wait for.**
//! * **I6 Nothing grows without a bound, and each bound says what happens at it.**
//! * **I7 `socket.id` is a secret.** It is in no payload, log, metric or key.
pub mod gateway;

pub mod auth;
pub mod events;
pub mod policy;

pub mod rooms;

pub mod adapter;
pub mod redis;
pub mod store;

pub mod domain;
pub mod error;

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod lifecycle;
pub mod state;
pub mod telemetry;
