//! The adapter of a single node: what is told is heard here.
