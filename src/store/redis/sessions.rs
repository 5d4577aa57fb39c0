//! The key that signs guest sessions, one for all nodes of this Redis.
use async_trait::async_trait;

use super::{RedisStore, keys};
use crate::{error::Result, store::sessions::Sessions};

#[async_trait]
impl Sessions for RedisStore {
    async fn guest_key(&self, candidate: &str) -> Result<String> {
        let args = [keys::GUEST_KEY, candidate, "NX", "GET"].map(str::to_owned).to_vec();
        let before: Option<String> = self.link.command("SET", args).await?;
        Ok(before.unwrap_or_else(|| candidate.to_owned()))
    }
}
