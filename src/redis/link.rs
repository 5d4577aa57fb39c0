//! The two connections to Redis: one for commands, one that only subscribes.
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::Context;
use fred::{
    clients::SubscriberClient,
    error::Error as Failure,
    prelude::{Client, ClientLike, EventInterface, FromValue, Value},
};
use secrecy::SecretString;
use tokio::sync::broadcast::error::RecvError;

use super::{
    checks::{self, Found},
    failure::{is_out_of_step, is_silence, refusal},
    health::{self, Health},
    script::COMMAND,
    settings,
};
use crate::{
    config::store::{Demand, Store},
    domain::durability::Durability,
    error::{Error, Outcome, Result},
    lifecycle::{Ending, Lifecycle},
    telemetry::{Label, Metrics},
};

/// How often each connection is asked whether the other end is there; one that hangs says nothing.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Between two tries of what fred does not try again by itself.
const RETRY: Duration = Duration::from_millis(100);
/// The longest wait for what it gave up for good.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often it is said why there is still no connection.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// How long fred may take to let go of a connection.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);

/// The way to Redis. While it is down, commands are refused at once; none waits in this process
/// to be done later.
pub struct Link {
    commands: Client,
    subscriber: SubscriberClient,
    health: Health,
    demand: Demand,
    metrics: OnceLock<Metrics>,
}

impl Link {
    /// Returns at once; connects, and connects again, in the background for as long as it takes.
    pub fn connect(
        url: &SecretString,
        store: &Store,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Arc<Self>> {
        let builder = settings::builder(url, store.command_timeout, &store.tls_ca)?;
        let link = Arc::new(Self {
            commands: builder.build().context("cannot prepare the connection to Redis")?,
            subscriber: settings::with_long_feed(&builder)
                .build_subscriber_client()
                .context("cannot prepare the subscriber's connection to Redis")?,
            health: Health::default(),
            demand: store.durability,
            metrics: OnceLock::new(),
        });
        lifecycle.spawn_until_stop(Arc::clone(&link).watch(lifecycle.clone()));
        lifecycle.spawn_until_stop(keep_connected(link.commands.clone()));
        lifecycle.spawn_until_stop(keep_connected(link.subscriber.clone()));
        lifecycle.spawn_until_stop(keep_alive(link.subscriber.clone()));
        Ok(link)
    }

    /// Counts from now on.
    pub fn count_in(&self, metrics: &Metrics) {
        self.metrics.get_or_init(|| metrics.clone());
    }

    /// A command that began then has come to an end.
    pub(super) fn took(&self, began: Instant, is_ok: bool) {
        if let Some(metrics) = self.metrics.get() {
            let result = Label::new("result", if is_ok { "ok" } else { "failed" });
            metrics.redis_command_seconds.record(began.elapsed().as_secs_f64(), &[result]);
        }
    }

    /// 2: commands are refused at once; 1: those to one server of a cluster are; 0: none.
    pub fn breaker(&self) -> u64 {
        if self.is_up() { u64::from(self.health.any_silent()) } else { 2 }
    }

    /// What endangers messages that were acknowledged, as found on the last connect.
    pub fn dangers(&self) -> Vec<String> {
        self.health.dangers()
    }

    /// Why Redis could not be used when it was last tried.
    pub fn trouble(&self) -> Option<String> {
        self.health.trouble()
    }

    /// Whether commands would be tried now.
    pub fn is_up(&self) -> bool {
        self.health.is_up() && self.commands.is_connected()
    }

    /// Which connection this is: another one may be to a Redis that has lost something.
    pub fn connection(&self) -> u64 {
        self.health.ups()
    }

    /// For how long it has been down, if it is.
    pub fn down_for(&self) -> Option<Duration> {
        self.health.down_for()
    }

    /// Each change of [`Link::is_up`], from now on.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<bool> {
        self.health.changes()
    }

    /// What an append that Redis has answered survives: as demanded, or as found.
    pub fn durability(&self) -> Durability {
        self.demand.level().unwrap_or_else(|| self.health.durability())
    }

    /// Waits until Redis has answered and has been looked at, and can be heard.
    pub async fn ready(&self) {
        // Asked again and again: fred's own waiting looks first and listens then, and what happens
        // in between it never hears of.
        while !self.subscriber.is_connected() {
            tokio::time::sleep(RETRY).await;
        }
        // The sender lives in `self`, so it cannot be gone.
        let _ = self.changes().wait_for(|up| *up).await;
    }

    /// The client for commands on this key, if it is of use now.
    pub(super) fn commands(&self, key: &str) -> Result<&Client> {
        if self.is_up() && !self.health.is_silent(&self.commands, key) {
            Ok(&self.commands)
        } else {
            Err(Error::unavailable(Outcome::None))
        }
    }

    /// What a failed command on this key means to whoever asked. One that was not answered, or
    /// with somebody else's answer, makes the whole connection doubtful.
    pub(super) fn failed(&self, key: &str, failure: &Failure) -> Error {
        if is_out_of_step(failure) {
            self.health.doubt();
        } else if is_silence(failure) {
            self.health.doubt_server(&self.commands, key);
        }
        refusal(failure)
    }

    /// Names the server that has this key; all keys have one unless Redis is a cluster.
    pub fn server_of(&self, key: &str) -> String {
        health::owner(&self.commands, key).map(|server| server.to_string()).unwrap_or_default()
    }

    /// The client that only subscribes. Nothing else may go through it: fred gives the answers
    /// of subscriptions to whichever command waits.
    pub fn subscriber(&self) -> &SubscriberClient {
        &self.subscriber
    }

    /// Runs one command whose first argument is its key.
    pub async fn command<T: FromValue>(&self, name: &str, mut args: Vec<String>) -> Result<T> {
        let key = std::mem::replace(&mut args[0], name.to_owned());
        COMMAND.call(self, vec![key], args).await
    }

    /// Keeps `health` true to what is: down at the first sign of trouble, up after an answer.
    async fn watch(self: Arc<Self>, lifecycle: Lifecycle) {
        let mut errors = self.commands.error_rx();
        let mut unknown_said = false;
        let mut said: Option<Instant> = None;
        loop {
            // What failed before this answer is past.
            errors = errors.resubscribe();
            self.health.forget_doubts();
            match checks::examine(&self.commands).await {
                Ok(found) => {
                    if let Err(why) = self.judge(&found, &mut unknown_said) {
                        tracing::error!("{why}");
                        return lifecycle.stop(Ending::Failed);
                    }
                }
                Err(failure) => {
                    tracing::debug!(%failure, "Redis does not answer");
                    // What connecting fails with says more than that a command had no connection.
                    let mut why = failure.to_string();
                    while let Ok((failure, _)) = errors.try_recv() {
                        why = failure.to_string();
                    }
                    if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                        said = Some(Instant::now());
                        let hint = what_to_do(&why);
                        tracing::warn!(why, hint, "Redis cannot be reached; trying again");
                    }
                    self.health.has_trouble(&why);
                    if is_silence(&failure) {
                        let_go(&self.commands).await;
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            said = None;
            tracing::info!(durability = %self.durability(), "connected to Redis");
            if let Some(metrics) = self.metrics.get().filter(|_| self.health.was_ever_up()) {
                metrics.redis_reconnects.add(1, &[]);
            }
            self.health.up();
            let lost = tokio::select! {
                lost = errors.recv() => match lost {
                    Ok((failure, _)) => Some(failure.to_string()),
                    Err(RecvError::Lagged(_)) => Some("many errors".to_owned()),
                    Err(RecvError::Closed) => return,
                },
                () = self.until_silent() => None,
            };
            self.health.down();
            let why = lost.as_deref().unwrap_or("it does not answer");
            tracing::warn!(why, "lost the connection to Redis; trying again");
            if lost.is_none() {
                let_go(&self.commands).await;
            }
        }
    }

    /// Whether this Redis may be used at all; what endangers messages is warned of.
    fn judge(&self, found: &Found, unknown_said: &mut bool) -> Result<(), String> {
        if let Some(version) = &found.too_old {
            return Err(format!("this Redis is too old ({version}): version 7.0 is needed"));
        }
        if found.durability == Durability::Unknown && !std::mem::replace(unknown_said, true) {
            tracing::warn!(
                "unknown whether Redis keeps what it is given: its ACL refuses INFO or CONFIG"
            );
        }
        for danger in &found.dangers {
            tracing::warn!("{danger}");
        }
        if let Some(missing) = self.demand.level().and_then(|level| found.misses(level)) {
            let why = format!("this Redis does not give what store.durability demands: {missing}");
            // Found at the start it is a mistake; found later, after a failover, it is an accident.
            if !self.health.was_ever_up() {
                return Err(why);
            }
            tracing::error!("{why}");
        }
        self.health.found(found.durability, &found.dangers);
        Ok(())
    }

    /// Returns when the connection is of no more use although nothing said so.
    async fn until_silent(&self) {
        tokio::select! {
            () = self.health.doubted() => {}
            () = self.until_no_heartbeat() => {}
        }
    }

    /// In a cluster one server may be silent alone; it is asked until it answers or is replaced.
    async fn until_no_heartbeat(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if !self.health.ask_silent(&self.commands).await
                && let Err(failure) = self.commands.ping::<Value>(None).await
                && is_silence(&failure)
            {
                return;
            }
        }
    }
}

/// What helps, as far as the system's words for the trouble tell.
fn what_to_do(why: &str) -> &'static str {
    let hints = [
        ("UnknownIssuer", "store.tls_ca names the certificates that vouch for this Redis"),
        (
            "InvalidCertificate",
            "its certificate has to be valid now, and for the host in store.url",
        ),
        ("InvalidContentType", "it speaks no TLS: store.url begins with redis, not rediss"),
        ("refused", "nobody listens at the host and port of store.url"),
        ("WRONGPASS", "the user or the password in store.url is another one"),
        ("NOAUTH", "it asks for a user and a password in store.url"),
    ];
    let fitting = hints.iter().find(|(word, _)| why.contains(word));
    fitting.map_or("is store.url right, and does Redis run there?", |(_, hint)| hint)
}

/// Makes fred begin a new connection; whatever is under way on the old one fails.
async fn let_go(client: &impl ClientLike) {
    let done = tokio::time::timeout(LET_GO_WITHIN, client.force_reconnection()).await;
    if let Ok(Err(failure)) = done {
        tracing::debug!(%failure, "cannot begin a new connection yet");
    }
}

/// The subscriber has no other traffic out, so a hanging Redis would never be noticed on it.
async fn keep_alive(subscriber: SubscriberClient) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if subscriber.is_connected()
            && let Err(failure) = subscriber.ping::<Value>(None).await
            && is_silence(&failure)
        {
            tracing::warn!("Redis does not answer the subscriber; trying again");
            let_go(&subscriber).await;
        }
    }
}

/// fred gives up on errors it takes for lasting (a cluster URL for a server that is none), and on a
/// slot that moves away while it is asked for. They may be mended on the other side, so it is asked
/// again: soon, if it had been connected for a while, else ever later.
async fn keep_connected(client: impl ClientLike) {
    let mut wait = RETRY;
    loop {
        let began = Instant::now();
        match client.connect().await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => tracing::warn!(%failure, "cannot connect to Redis; trying again"),
            Err(stopped) => {
                tracing::error!(%stopped, "the connection to Redis ended; trying again");
            }
        }
        if began.elapsed() > LONGEST_WAIT {
            wait = RETRY;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
