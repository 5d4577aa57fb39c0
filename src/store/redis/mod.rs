//! The Redis backend: standalone, Sentinel or Cluster.
