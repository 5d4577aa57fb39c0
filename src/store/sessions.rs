//! The port to what vouches for guests.
use async_trait::async_trait;

use crate::error::Result;

#[async_trait]
pub trait Sessions: Send + Sync {
    /// The key that signs guest sessions: `candidate` if there was none, else the one all nodes
    /// of this store already use.
    async fn guest_key(&self, candidate: &str) -> Result<String>;
}
