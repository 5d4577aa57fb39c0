//! The embedded backend: one file, one node, durable before the ack.
