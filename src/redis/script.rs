//! Scripts: run by their hash, and sent whole to a server that does not know them yet.
use std::sync::OnceLock;

use fred::{
    error::Error as Failure,
    prelude::{Client, LuaInterface},
};

use super::{
    Link,
    failure::{is_no_script, is_redirected, refusal},
};
use crate::error::Result;

/// A script whose reply is a flat list of texts.
///
/// `EVALSHA`, then `EVAL`: no `SCRIPT LOAD`, so it works on whichever node of a cluster has the
/// slot, after a failover or a restart, and for a user that may do no more than these two.
pub struct Script {
    text: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    pub const fn new(text: &'static str) -> Self {
        Self { text, hash: OnceLock::new() }
    }

    /// Runs it. All keys must share a hash tag.
    pub async fn run(
        &self,
        link: &Link,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<Vec<String>> {
        let client = link.commands()?;
        let once = self.attempt(client, &keys, &args).await;
        let reply = match once {
            Err(failure) if is_redirected(&failure) => self.attempt(client, &keys, &args).await,
            other => other,
        };
        reply.map_err(|failure| refusal(&failure))
    }

    async fn attempt(
        &self,
        client: &Client,
        keys: &[String],
        args: &[String],
    ) -> Result<Vec<String>, Failure> {
        let hash = self.hash(client).await?;
        match client.evalsha(hash, keys.to_vec(), args.to_vec()).await {
            Err(failure) if is_no_script(&failure) => {
                client.eval(self.text, keys.to_vec(), args.to_vec()).await
            }
            reply => reply,
        }
    }

    /// The hash by which Redis knows the script. Redis itself reckons it, once a process:
    /// SHA-1 has no other use here.
    async fn hash(&self, client: &Client) -> Result<&str, Failure> {
        if let Some(hash) = self.hash.get() {
            return Ok(hash);
        }
        let none: Vec<String> = Vec::new();
        let hash: String =
            client.eval("return redis.sha1hex(ARGV[1])", none, vec![self.text.to_owned()]).await?;
        Ok(self.hash.get_or_init(|| hash))
    }
}
