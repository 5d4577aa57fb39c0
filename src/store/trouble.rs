//! Whether the store takes what is said, as far as this node has seen.
use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::log::Appended;
use crate::error::{Error, Result};

/// When an append has failed last, on any connection, unless one has succeeded since.
#[derive(Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Instant>>>);

impl Trouble {
    /// An append came to this.
    pub fn heed(&self, result: &Result<Appended>) {
        match result {
            Err(Error::Unavailable { .. }) => *self.0.lock() = Some(Instant::now()),
            Ok(_) => *self.0.lock() = None,
            // Says nothing about the store.
            Err(_) => {}
        }
    }

    /// Whether one has failed after this, and none has succeeded.
    pub fn is_since(&self, moment: Instant) -> bool {
        self.0.lock().is_some_and(|failed| failed > moment)
    }
}
