//! The composition root: builds everything from the configuration, runs it until told to stop, and
//! ends it. Alone names concrete backends.
use std::{
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;

use crate::{
    adapter::{Adapter, Hearing, local::LocalAdapter, redis::RedisAdapter},
    auth::{guest::Guests, jwt::Tokens},
    clock,
    config::{Config, auth::Mode, store::StoreUrl},
    domain::id::NodeId,
    gateway::{Dialects, Gateway, Health},
    lifecycle::{Ending, Lifecycle},
    policy::{moderation::Moderation, roles::Roles},
    redis::Link,
    rooms::{Parts, Retention, Rooms, presence::Presence},
    state::AppState,
    store::{
        self, embedded::EmbeddedStore, log::Log, members::Members, redis::RedisStore,
        sessions::Sessions, trouble::Trouble,
    },
    telemetry::{Label, Telemetry, runtime},
};

/// Runs a node until told to stop, then ends it within the configured bound, whatever hangs.
pub async fn run(
    config: Arc<Config>,
    node: Arc<str>,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let boot = clock::new_node();
    let backend = Backend::open(&config, boot, &lifecycle)?;
    let dialects = Dialects::new(&config);
    let tokens = match config.auth.mode {
        Mode::Guest => None,
        Mode::Jwt => {
            let tokens = Tokens::open(&config.auth, telemetry.metrics());
            Some(tokens.context("no token can be checked")?)
        }
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
    let every = config.rooms.position_check;
    lifecycle.spawn_until_stop(app.moderation.clone().watch(app.rooms.clone(), every));
    if let Some(tokens) = &app.tokens {
        lifecycle.spawn_until_stop(tokens.clone().keep_fresh());
    }

    if let Some(link) = &backend.link {
        lifecycle.spawn_until_stop(gateway.clone().tell_of_store(link.changes()));
    }
    let health = Arc::new(NodeHealth {
        app: app.clone(),
        gateway: gateway.clone(),
        link: backend.link,
        telemetry,
        dropped: AtomicU64::new(0),
    });
    if !config.telemetry.metrics_endpoint.is_empty() {
        let every = config.telemetry.metrics_interval.min(MEASURE_EVERY);
        lifecycle.spawn_until_stop(health.clone().measure_again_and_again(every));
    }
    let (public, internal) = gateway.listen(health).with_context(|| {
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

/// The name of a node as people see it.
pub fn name_of(config: &Config) -> Arc<str> {
    match config.server.node.as_str() {
        "" => format!("n-{}", &clock::random_text()[..6]).into(),
        given => given.into(),
    }
}

/// What `store.url` chose.
struct Backend {
    log: Arc<dyn Log>,
    members: Arc<dyn Members>,
    sessions: Arc<dyn Sessions>,
    moderation: Arc<dyn store::moderation::Moderation>,
    roles: Arc<dyn store::roles::Roles>,
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
                    moderation: store.clone(),
                    roles: store,
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
            roles: store.clone(),
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
    if let Some(link) = &backend.link {
        link.count_in(&metrics);
    }
    let presence = Presence::new(backend.members.clone(), config.presence.clone(), metrics.clone());
    let asked = (backend.moderation.clone(), backend.roles.clone());
    let moderation = Moderation::new(asked, presence.clone(), lifecycle.clone());
    let most_rooms = config.limits.rooms_per_user;
    let roles = Roles::new(backend.roles.clone(), config.rooms.clone(), most_rooms);
    let rooms = Rooms::new(Parts {
        config: config.rooms.clone(),
        typing_every: config.limits.typing_every,
        retention: Retention {
            messages: config.store.retention_messages,
            age: config.store.retention_age,
        },
        log: backend.log.clone(),
        adapter: backend.adapter.clone(),
        words: dialects.words(),
        heed: Arc::new(moderation.clone()),
        metrics: metrics.clone(),
        traces: telemetry.traces().clone(),
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
        roles,
        trouble: Trouble::default(),
        metrics,
        traces: telemetry.traces().clone(),
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

/// What is shown as ours.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How old what a collector is sent may be.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// After how long a node that needs its store is not ready without it.
const AWAY_TOO_LONG: Duration = Duration::from_secs(5);

/// What the probes are told.
struct NodeHealth {
    app: AppState,
    gateway: Gateway,
    link: Option<Arc<Link>>,
    telemetry: Telemetry,
    /// Of what the adapter has dropped, how much has been counted.
    dropped: AtomicU64,
}

impl Health for NodeHealth {
    /// Ready once the store has been reached. That it is away later is no reason to send clients
    /// elsewhere, because all nodes lose it together; unless the configuration says otherwise.
    fn ready(&self) -> Result<String, String> {
        if self.app.lifecycle.ending().is_some() {
            return Err("shutting down".to_owned());
        }
        if !self.app.guests.are_ready() || !self.app.moderation.is_ready() {
            let why = self.link.as_ref().and_then(|link| link.trouble());
            return Err(why.map_or_else(
                || "waiting for the store".to_owned(),
                |why| format!("waiting for the store: {why}"),
            ));
        }
        if let Some(why) = self.app.tokens.as_ref().and_then(Tokens::trouble) {
            return Err(format!("waiting for the keys of tokens: {why}"));
        }
        let away = self.link.as_ref().and_then(|link| link.down_for());
        let needs_store = self.app.config.internal.ready_needs_store;
        if needs_store && away.is_some_and(|away| away > AWAY_TOO_LONG) {
            return Err("the store is away".to_owned());
        }
        let store = if away.is_none() { "up" } else { "degraded" };
        let mut has = format!("store: {store}\ndurability: {}\n", self.app.log.durability());
        for danger in self.link.iter().flat_map(|link| link.dangers()) {
            let _ = writeln!(has, "danger: {danger}");
        }
        let (node, config) = (&self.app.node, &self.app.config);
        let _ = writeln!(has, "node: {node}\nversion: {VERSION}");
        let _ = writeln!(has, "polling: {}", config.engine.polling);
        Ok(has)
    }

    fn metrics(&self) -> String {
        self.measure();
        self.telemetry.render()
    }
}

impl NodeHealth {
    /// Says what is not counted as it happens, but known when asked.
    fn measure(&self) {
        let metrics = self.telemetry.metrics();
        let (up, breaker) =
            self.link.as_ref().map_or((true, 0), |link| (link.is_up(), link.breaker()));
        metrics.store_up.record(up.into(), &[]);
        metrics.store_breaker_state.record(breaker, &[]);
        metrics.draining.record(self.app.lifecycle.ending().is_some().into(), &[]);
        metrics.gap_age_seconds.record(self.app.rooms.longest_behind().as_secs_f64(), &[]);
        metrics.node_lease_age_seconds.record(self.app.presence.lease_age().as_secs_f64(), &[]);
        metrics.build_info.record(1, &[Label::new("version", VERSION)]);
        let dropped = self.app.adapter.dropped();
        let before = self.dropped.swap(dropped, Ordering::AcqRel);
        metrics.dropped_messages.add(dropped.saturating_sub(before), &[]);
        self.gateway.measure();
    }

    /// A scrape measures by itself; a collector is sent what was measured last.
    async fn measure_again_and_again(self: Arc<Self>, every: Duration) {
        loop {
            self.measure();
            tokio::time::sleep(every).await;
        }
    }
}
