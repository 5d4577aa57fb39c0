//! The two connections to Redis: one for commands, one that only subscribes.
use std::{sync::Arc, time::Duration};

use anyhow::Context;
use fred::{
    clients::SubscriberClient,
    prelude::{Client, ClientLike, EventInterface, FromValue, HeartbeatInterface},
    types::{ClusterHash, CustomCommand},
};
use secrecy::SecretString;
use tokio::sync::{broadcast::error::RecvError, watch};

use super::{
    checks::{self, Soundness},
    failure::{is_redirected, refusal},
    settings,
};
use crate::{
    config::store::Store,
    error::{Error, Outcome, Result},
    lifecycle::{Ending, Lifecycle},
};

/// How often the subscriber asks whether the other end is there; it has no other traffic out.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Between two tries of what fred does not try again by itself.
const RETRY: Duration = Duration::from_millis(100);

/// The way to Redis. While it is down, commands are refused at once; none waits in this process
/// to be done later.
pub struct Link {
    commands: Client,
    subscriber: SubscriberClient,
    up: watch::Sender<bool>,
}

impl Link {
    /// Returns at once; connects, and connects again, in the background for as long as it takes.
    pub fn connect(
        url: &SecretString,
        store: &Store,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Arc<Self>> {
        let builder = settings::builder(url, store.command_timeout)?;
        let link = Arc::new(Self {
            commands: builder.build().context("cannot prepare the connection to Redis")?,
            subscriber: settings::with_long_feed(&builder)
                .build_subscriber_client()
                .context("cannot prepare the subscriber's connection to Redis")?,
            up: watch::Sender::new(false),
        });
        lifecycle.spawn_until_stop(Arc::clone(&link).watch(lifecycle.clone()));
        lifecycle.spawn_until_stop(keep_connected(link.commands.clone()));
        lifecycle.spawn_until_stop(keep_connected(link.subscriber.clone()));
        let subscriber = link.subscriber.clone();
        lifecycle.spawn_until_stop(async move {
            // Ends only by an error, and it was told not to end by one.
            let _ = subscriber.enable_heartbeat(HEARTBEAT, false).await;
        });
        Ok(link)
    }

    /// Whether commands would be tried now.
    pub fn is_up(&self) -> bool {
        *self.up.borrow() && self.commands.is_connected()
    }

    /// Waits until Redis has answered and has been looked at, and can be heard.
    pub async fn ready(&self) {
        // Asked again and again: fred's own waiting looks first and listens then, and what happens
        // in between it never hears of.
        while !self.subscriber.is_connected() {
            tokio::time::sleep(RETRY).await;
        }
        // The sender lives in `self`, so it cannot be gone.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    /// The client for commands, if it is of use now.
    pub(super) fn commands(&self) -> Result<&Client> {
        if self.is_up() { Ok(&self.commands) } else { Err(Error::unavailable(Outcome::None)) }
    }

    /// The client that only subscribes. Nothing else may go through it: fred gives the answers
    /// of subscriptions to whichever command waits.
    pub fn subscriber(&self) -> &SubscriberClient {
        &self.subscriber
    }

    /// Runs one command whose first argument is its key.
    pub async fn command<T: FromValue>(&self, name: &'static str, args: Vec<String>) -> Result<T> {
        let command = CustomCommand::new_static(name, ClusterHash::FirstKey, false);
        let client = self.commands()?;
        let once = client.custom(command.clone(), args.clone()).await;
        let reply = match once {
            Err(failure) if is_redirected(&failure) => client.custom(command, args).await,
            other => other,
        };
        reply.map_err(|failure| refusal(&failure))
    }

    /// Keeps `up` true to what is: down at the first sign of trouble, up after an answer.
    async fn watch(self: Arc<Self>, lifecycle: Lifecycle) {
        let mut errors = self.commands.error_rx();
        let mut unknown_said = false;
        loop {
            // What failed before this answer is past.
            errors = errors.resubscribe();
            match checks::examine(&self.commands).await {
                Ok(Soundness::TooOld(version)) => {
                    tracing::error!(%version, "this Redis is too old: version 7.0 is needed");
                    return lifecycle.stop(Ending::Failed);
                }
                Ok(Soundness::Unknown) if !unknown_said => {
                    unknown_said = true;
                    tracing::warn!(
                        "unknown whether Redis keeps what it is given: its ACL refuses INFO or CONFIG"
                    );
                }
                Ok(_) => {}
                Err(failure) => {
                    tracing::debug!(%failure, "Redis does not answer");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            tracing::info!("connected to Redis");
            self.up.send_replace(true);
            let lost = match errors.recv().await {
                Ok((failure, _)) => failure.to_string(),
                Err(RecvError::Lagged(_)) => "many errors".to_owned(),
                Err(RecvError::Closed) => return,
            };
            self.up.send_replace(false);
            tracing::warn!(why = lost, "lost the connection to Redis; trying again");
        }
    }
}

/// fred gives up on errors it takes for lasting (a cluster URL for a server that is none). They
/// may be mended on the other side, so it is asked again.
async fn keep_connected(client: impl ClientLike) {
    loop {
        match client.connect().await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => tracing::error!(%failure, "cannot connect to Redis; trying again"),
            Err(stopped) => {
                tracing::error!(%stopped, "the connection to Redis ended; trying again");
            }
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}
