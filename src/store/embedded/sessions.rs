//! What vouches for guests: one key, kept in the file.
use async_trait::async_trait;

use super::{EmbeddedStore, writer::Request};
use crate::{error::Result, store::sessions::Sessions};

#[async_trait]
impl Sessions for EmbeddedStore {
    async fn guest_key(&self, candidate: &str) -> Result<String> {
        self.ask(|reply| Request::GuestKey(candidate.to_owned(), reply)).await
    }
}
