//! The composition root: builds everything from the configuration, runs it until told to stop, and
//! ends it. Alone names concrete backends.
use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;

use crate::{
    adapter::{Adapter, Hearing, local::LocalAdapter, redis::RedisAdapter},
    auth::{guest::Guests, jwt::Tokens},
    clock,
    config::{Config, auth::Mode, store::StoreUrl},
    domain::id::NodeId,
    gateway::{Dialects, Gateway, Health},
    lifecycle::{Ending, Lifecycle},
    policy::moderation::Moderation,
    redis::Link,
    rooms::{Parts, Retention, Rooms, presence::Presence},
    state::AppState,
    store::{
        self, embedded::EmbeddedStore, log::Log, members::Members, redis::RedisStore,
        sessions::Sessions,
    },
    telemetry::{Telemetry, runtime},
};

/// Runs a node until told to stop, then ends it within the configured bound, whatever hangs.
pub async fn run(
    config: Arc<Config>,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let (node, boot) = name_of(&config);
    let backend = Backend::open(&config, boot, &lifecycle)?;
    let dialects = Dialects::new(&config);
    let tokens = match config.auth.mode {
        Mode::Guest => None,
        Mode::Jwt => Some(Tokens::open(&config.auth).context("no token can be checked")?),
    };
    let with = (node, telemetry.clone(), lifecycle.clone(), tokens);
    let app = assemble(&config, &backend, &dialects, with);
    let gateway = Gateway::new(app.clone(), &dialects);
    lifecycle.spawn_until_stop(app.rooms.clone().listen(backend.hearing));
    lifecycle.spawn_until_stop(app.rooms.clone().watch());
    lifecycle.spawn_until_stop(runtime::measure_lag(app.metrics.clone()));
    app.presence.keep(&lifecycle);
    let (guests, moderation) = (app.guests.clone(), app.moderation.clone());
    lifecycle.spawn_until_stop(get_ready(backend.link.clone(), guests, moderation));
    lifecycle.spawn_until_stop(app.moderation.clone().watch(app.rooms.clone()));
    if let Some(tokens) = &app.tokens {
        lifecycle.spawn_until_stop(tokens.clone().keep_fresh());
    }

    if let Some(link) = &backend.link {
        lifecycle.spawn_until_stop(gateway.clone().tell_of_store(link.changes()));
    }
    let health = NodeHealth {
        log: backend.log,
        needs_store: config.internal.ready_needs_store,
        link: backend.link,
        guests: app.guests.clone(),
        moderation: app.moderation.clone(),
        telemetry,
        lifecycle: lifecycle.clone(),
    };
    let (public, internal) = gateway.listen(Arc::new(health)).with_context(|| {
        let (public, internal) = (config.server.listen, config.internal.listen);
        format!("cannot listen on {public} (server.listen) and {internal} (internal.listen)")
    })?;
    let store = config.store.masked_url();
    tracing::info!(node = %app.node, %store, %internal, "hubbub is at http://{public}");

    let why = lifecycle.until_told_to_stop().await?;
    tracing::info!(?why, "stopping");
    let ended = tokio::time::timeout(
        config.drain.deadline,
        end(&app, &gateway, backend.embedded.as_deref(), why),
    );
    if ended.await.is_err() {
        tracing::warn!("not everything ended in time; letting go");
    }
    if why == Ending::Failed {
        anyhow::bail!("a part this node cannot do without has failed; the reason is logged above");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Redis can be asked and heard, it is known who is banned, and guests can be vouched for: only then
/// is anybody let in.
async fn get_ready(link: Option<Arc<Link>>, guests: Guests, moderation: Moderation) {
    if let Some(link) = link {
        link.ready().await;
    }
    moderation.get_ready().await;
    guests.get_ready().await;
}

/// The name people see, and the id of this start.
fn name_of(config: &Config) -> (Arc<str>, NodeId) {
    let boot = clock::new_node();
    let name = match config.server.node.as_str() {
        "" => boot.as_str()[..8].replace('_', "-").into(),
        given => given.into(),
    };
    (name, boot)
}

/// What `store.url` chose.
struct Backend {
    log: Arc<dyn Log>,
    members: Arc<dyn Members>,
    sessions: Arc<dyn Sessions>,
    moderation: Arc<dyn store::moderation::Moderation>,
    adapter: Arc<dyn Adapter>,
    hearing: Hearing,
    link: Option<Arc<Link>>,
    embedded: Option<Arc<EmbeddedStore>>,
}

impl Backend {
    fn open(config: &Config, boot: NodeId, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        match config.store.parsed()? {
            StoreUrl::Embedded(path) => Self::embedded(config, Some(&path), boot),
            StoreUrl::Memory => Self::embedded(config, None, boot),
            StoreUrl::Redis(url) => {
                let link = Link::connect(&url, &config.store, lifecycle)?;
                let (store, presence) = (&config.store, &config.presence);
                let store = RedisStore::open(link.clone(), store, presence, boot, lifecycle);
                let (adapter, hearing) = RedisAdapter::open(link.clone(), lifecycle)?;
                Ok(Self {
                    log: store.clone(),
                    members: store.clone(),
                    sessions: store.clone(),
                    moderation: store,
                    adapter,
                    hearing,
                    link: Some(link),
                    embedded: None,
                })
            }
        }
    }

    fn embedded(config: &Config, path: Option<&Path>, boot: NodeId) -> anyhow::Result<Self> {
        let (adapter, hearing) = LocalAdapter::new();
        let store =
            EmbeddedStore::open(path, &config.store, &config.presence, adapter.clone(), boot)?;
        Ok(Self {
            log: store.clone(),
            members: store.clone(),
            sessions: store.clone(),
            moderation: store.clone(),
            adapter,
            hearing,
            link: None,
            embedded: Some(store),
        })
    }
}

fn assemble(
    config: &Arc<Config>,
    backend: &Backend,
    dialects: &Dialects,
    (node, telemetry, lifecycle, tokens): (Arc<str>, Telemetry, Lifecycle, Option<Tokens>),
) -> AppState {
    let metrics = telemetry.metrics().clone();
    let presence = Presence::new(backend.members.clone(), config.presence.clone(), metrics.clone());
    let moderation =
        Moderation::new(backend.moderation.clone(), presence.clone(), lifecycle.clone());
    let rooms = Rooms::new(Parts {
        config: config.rooms.clone(),
        retention: Retention {
            messages: config.store.retention_messages,
            age: config.store.retention_age,
        },
        log: backend.log.clone(),
        adapter: backend.adapter.clone(),
        words: dialects.words(),
        heed: Arc::new(moderation.clone()),
        metrics: metrics.clone(),
        lifecycle: lifecycle.clone(),
    });
    AppState {
        config: config.clone(),
        node,
        log: backend.log.clone(),
        adapter: backend.adapter.clone(),
        rooms,
        presence,
        guests: Guests::new(&config.auth, backend.sessions.clone()),
        tokens,
        moderation,
        metrics,
        lifecycle,
    }
}

/// The drain, in the order that loses nothing: no new sessions, clients told and moved, what they
/// said finished, this node's people taken out, the store closed.
async fn end(app: &AppState, gateway: &Gateway, store: Option<&EmbeddedStore>, why: Ending) {
    let drain = &app.config.drain;
    // Who waits at a terminal is not a balancer.
    let (lag, spread) = match why {
        Ending::Terminated => (drain.balancer_lag, drain.spread),
        Ending::Interrupted | Ending::Failed => (Duration::ZERO, Duration::ZERO),
    };
    if !gateway.is_empty() {
        tokio::time::sleep(lag).await;
    }
    gateway.drain(spread).await;
    gateway.until_empty().await;
    gateway.close();
    app.presence.retire().await;
    app.lifecycle.finish(drain.deadline).await;
    if let Some(store) = store {
        store.close().await;
    }
}

/// After how long a node that needs its store is not ready without it.
const AWAY_TOO_LONG: Duration = Duration::from_secs(5);

/// What the probes are told.
struct NodeHealth {
    log: Arc<dyn Log>,
    needs_store: bool,
    link: Option<Arc<Link>>,
    /// Ready once the store has been reached.
    guests: Guests,
    moderation: Moderation,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
}

impl Health for NodeHealth {
    /// Ready once the store has been reached. That it is away later is no reason to send clients
    /// elsewhere, because all nodes lose it together; unless the configuration says otherwise.
    fn ready(&self) -> Result<String, &'static str> {
        if self.lifecycle.ending().is_some() {
            return Err("shutting down");
        }
        if !self.guests.are_ready() || !self.moderation.is_ready() {
            return Err("waiting for the store");
        }
        let away = self.link.as_ref().and_then(|link| link.down_for());
        if self.needs_store && away.is_some_and(|away| away > AWAY_TOO_LONG) {
            return Err("the store is away");
        }
        let store = if away.is_none() { "up" } else { "degraded" };
        Ok(format!("store: {store}\ndurability: {}\n", self.log.durability()))
    }

    fn metrics(&self) -> String {
        let up = self.link.as_ref().is_none_or(|link| link.is_up());
        self.telemetry.metrics().store_up.record(u64::from(up), &[]);
        self.telemetry.render()
    }
}
