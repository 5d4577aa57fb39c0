//! The adapter over Redis: sharded pub/sub, a channel per room that this node hosts.
