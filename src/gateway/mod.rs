//! The door: sockets in, sockets out. Alone knows socketioxide and axum; never sees a backend.
mod admin;
mod assets;
mod backlog;
mod classic;
mod conn;
mod door;
mod frames;
/// Only while fuzzed, here or by `fuzz/`.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod head;
mod inbound;
mod lifesign;
mod link;
mod listener;
mod meter;
mod notice;
mod origin;
mod outbox;
mod outgoing;
mod packet;
mod pipeline;
pub mod protocol;
mod socket;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
    middleware::from_fn_with_state,
    routing::{any, get},
};
use socketioxide::{
    ParserConfig, SocketIo, TransportType, adapter::LocalAdapter, service::SocketIoService,
};
use tokio_util::sync::CancellationToken;
use tower_http::{cors, set_header::SetResponseHeaderLayer};

pub use self::{admin::Health, notice::Notice, socket::CLIENT_EVENTS};
use self::{
    classic::lobby::Lobby,
    door::Door,
    outbox::SocketOutbox,
    pipeline::{Bounds, Conversation, Pipe},
    socket::deliver::Speaker,
};
use crate::{
    clock,
    config::Config,
    domain::address::Network,
    rooms::{CloseReason, Words},
    state::AppState,
};

/// The library, as a service.
pub(crate) type Engine = SocketIoService<NotFound, LocalAdapter>;
pub(crate) type NotFound = engineless::Nothing;

/// Packets the library may hold for one socket. Bytes are what we bound (`limits.unsent_bytes`), so
/// this only has to be more than those bytes can be.
const MOST_PACKETS: usize = 16 * 1024;
/// Read buffer of one WebSocket: small, there are many of them, and what people say is smaller. What
/// is longer is read in pieces.
const READ_BUFFER: usize = 1024;

/// What is no page of ours has no need of anything.
const NOTHING_ALLOWED: &str = "default-src 'none'; frame-ancestors 'none'";

/// How long departures may take once their connections are closed, and how often to look.
const DEPARTED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

mod engineless {
    //! What answers where the library does not: it is only asked what is its own.
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        task::{Context, Poll},
    };

    use axum::{
        body::Body,
        http::{Request, Response, StatusCode},
    };

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Nothing;

    impl tower::Service<Request<Body>> for Nothing {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::NOT_FOUND;
            ready(Ok(answer))
        }
    }
}

/// The tutorials' room in their pages' words, made before the rooms are, which need it.
pub struct Dialects(Option<Arc<Lobby>>);

impl Dialects {
    pub fn new(config: &Config) -> Self {
        let classic = &config.classic;
        Self(classic.enabled.then(|| Lobby::new(classic.room.clone())))
    }

    /// How news is put into words.
    pub fn words(&self) -> Arc<dyn Words> {
        Arc::new(Speaker { lobby: self.0.clone() })
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    app: AppState,
    door: Arc<Door>,
    engine: Engine,
    eio3: bool,
    /// Whose word on where a client comes from is taken.
    proxies: Arc<[Network]>,
    /// The store is away, and people have been told.
    degraded: Arc<AtomicBool>,
    /// Ends the accept loop and the internal address.
    closed: CancellationToken,
}

impl Gateway {
    /// Builds the door; nothing listens yet.
    pub fn new(app: AppState, dialects: &Dialects) -> Self {
        let config = &app.config.clone();
        let lifecycle = app.lifecycle.clone();
        let (door, ending) = Door::new(config, lifecycle.clone(), app.metrics.clone());
        let (engine, io) = build_engine(config);
        let eio3 = config.classic.enabled && config.engine.eio3;
        let closed = CancellationToken::new();
        let gateway = Self {
            app,
            door: door.clone(),
            engine: engine.clone(),
            eio3,
            proxies: config.server.proxies().unwrap_or_default().into(),
            degraded: Arc::default(),
            closed,
        };
        gateway.register_native(&io);
        if let Some(lobby) = &dialects.0 {
            gateway.register_classic(&io, lobby);
            lobby.keep(&gateway.app, &lifecycle);
        }
        let ended = gateway.closed.clone();
        lifecycle.spawn(async move {
            ended.run_until_cancelled(door::end_sessions(engine, ending)).await;
        });
        let ended = gateway.closed.clone();
        lifecycle.spawn(async move {
            ended.run_until_cancelled(door.watch_for_slow()).await;
        });
        if gateway.app.tokens.is_some() {
            lifecycle.spawn_until_stop(gateway.clone().watch_for_expired());
        }
        gateway
    }

    /// Listens on both addresses; the ones that were really taken (port 0 is any).
    pub fn listen(&self, health: Arc<dyn Health>) -> io::Result<(SocketAddr, SocketAddr)> {
        let config = &self.app.config;
        let public = listener::bind(config.server.listen, config.server.backlog)?;
        let internal = listener::bind(config.internal.listen, 128)?;
        let addresses = (public.local_addr()?, internal.local_addr()?);
        let lifecycle = &self.app.lifecycle;
        lifecycle.spawn(admin::serve(internal, health, self.closed.clone()));
        lifecycle.spawn(listener::accept(
            public,
            self.router(),
            config.server.clone(),
            self.door.clone(),
            self.closed.clone(),
        ));
        Ok(addresses)
    }

    /// Whether there is anybody to be careful with.
    pub fn is_empty(&self) -> bool {
        self.app.rooms.connections().is_empty()
    }

    /// Says how many connections there are and what they have not taken.
    pub fn measure(&self) {
        self.door.measure();
    }

    /// No new sessions; those that are open are closed in random order, evenly over `spread`, and
    /// each is told its own time before. They come back by themselves, to another node.
    pub async fn drain(&self, spread: Duration) {
        self.door.shut();
        let mut links = self.door.links();
        links.sort_by_cached_key(|_| clock::random_text());
        let slot = spread / u32::try_from(links.len()).unwrap_or(u32::MAX).max(1);
        let began = tokio::time::Instant::now();
        let mut leaving = Vec::with_capacity(links.len());
        for (link, n) in links.into_iter().zip(0u32..) {
            let at = began + slot * n + clock::some_of(slot);
            link.tell_draining(at - tokio::time::Instant::now());
            // Not held: who goes by itself meanwhile is gone.
            leaving.push((at, Arc::downgrade(&link)));
        }
        for (at, link) in leaving {
            tokio::time::sleep_until(at).await;
            if let Some(link) = link.upgrade() {
                link.close(CloseReason::Draining);
            }
        }
    }

    /// Waits until everybody has departed, but not for ever: what hangs is let go.
    pub async fn until_empty(&self) {
        let empty = async {
            while !self.is_empty() {
                // Also whoever entered a namespace after the others were told.
                for link in self.door.links() {
                    if !link.is_leaving() {
                        link.tell_draining(Duration::ZERO);
                        link.close(CloseReason::Draining);
                    }
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(DEPARTED_WITHIN, empty).await.ok();
    }

    /// Stops listening.
    pub fn close(&self) {
        self.closed.cancel();
    }

    fn pipe(&self, conversation: Arc<dyn Conversation>, outbox: Arc<SocketOutbox>) -> Arc<Pipe> {
        let config = &self.app.config;
        let bounds = Bounds {
            events: config.limits.queued_events,
            event: usize::try_from(config.engine.max_event.as_u64()).unwrap_or(usize::MAX),
        };
        Pipe::new(conversation, outbox, self.app.lifecycle.clone(), bounds)
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/", get(assets::page))
            .route("/assets/{*name}", get(assets::asset))
            .route("/socket.io/{name}", get(assets::client))
            .route("/socket.io/", any(guard::engine))
            .route("/socket.io", any(guard::engine))
            .with_state(self.clone())
            .layer(cors_layer(&self.app.config))
            .layer(always(axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(always(axum::http::header::REFERRER_POLICY, "no-referrer"))
            .layer(SetResponseHeaderLayer::if_not_present(
                axum::http::header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(NOTHING_ALLOWED),
            ))
            .layer(from_fn_with_state(self.clone(), guard::host))
    }
}

fn build_engine(config: &Config) -> (Engine, SocketIo) {
    let engine = &config.engine;
    let event = usize::try_from(engine.max_event.as_u64()).unwrap_or(usize::MAX);
    // An attachment would arrive beside its event; nothing we speak has any.
    let parser = ParserConfig::common().max_incoming_binaries(0);
    let builder = SocketIo::builder()
        .req_path("/socket.io")
        .with_parser(parser)
        .ping_interval(engine.ping_interval)
        .ping_timeout(engine.ping_timeout)
        .connect_timeout(engine.connect_timeout)
        .upgrade_timeout(engine.upgrade_timeout)
        .max_payload(engine.max_body.as_u64())
        .ws_max_message_size(event)
        .ws_max_frame_size(event)
        .ws_read_buffer_size(READ_BUFFER)
        .max_buffer_size(MOST_PACKETS);
    let builder =
        if engine.polling { builder } else { builder.transports([TransportType::Websocket]) };
    builder.build_with_inner_svc(engineless::Nothing)
}

/// Which pages may connect. No cookies are used, so any origin is safe where any is allowed.
fn cors_layer(config: &Config) -> cors::CorsLayer {
    use axum::http::Method;
    let origins = &config.server.origins;
    let layer = cors::CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(cors::AllowHeaders::mirror_request())
        // A page that is told to come back later can see when.
        .expose_headers([axum::http::header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(cors::Any);
    }
    layer.allow_origin(origins.iter().filter_map(|o| o.parse().ok()).collect::<Vec<HeaderValue>>())
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
