//! Before the protocol: whether a request may reach it, and what it tells us of its session.
use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::State,
    http::{
        HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header, uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use socketioxide::socket::Sid;
use tower::ServiceExt;

use super::{Gateway, conn::Conn, door, link::Link, origin};
use crate::{
    clock,
    domain::address::Address,
    policy::admission::{NotNow, Place},
    rooms::CloseReason,
};

/// How long a polling request waits for its session to take events again.
const TAKES_EVENTS_WITHIN: Duration = Duration::from_secs(10);
/// How long the body of a polling request may take to arrive and be taken.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The bytes of a WebSocket's key (RFC 6455), and the longest list of protocols, of which we speak
/// none.
const KEY: usize = 16;
const LONGEST_PROTOCOLS: usize = 256;
/// The longest body of an error that the library answers with, in bytes.
const LONGEST_ERROR: usize = 1_024;
/// Within how many seconds to come back to a node that takes no new session now. Each is told
/// another number, so that not all come back together.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What the query of an Engine.IO request says.
struct Asked {
    /// Whether it names a session, well or badly: then it does not begin one.
    names_one: bool,
    sid: Option<Sid>,
    eio3: bool,
    websocket: bool,
}

/// Whether a session that began with this request began as a WebSocket.
pub(super) fn is_websocket(uri: &Uri) -> bool {
    Asked::read(uri).websocket
}

impl Asked {
    fn read(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let value =
            |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let sid = value("sid");
        Self {
            names_one: sid.is_some(),
            sid: sid.and_then(|sid| sid.parse().ok()),
            eio3: value("EIO") == Some("3"),
            websocket: value("transport") == Some("websocket"),
        }
    }
}

/// Everything under `/socket.io/` that is not a file.
pub(super) async fn engine(State(gateway): State<Gateway>, request: Request<Body>) -> Response {
    if let Some(refusal) = gateway.turns_away(&request) {
        return refusal;
    }
    let asked = Asked::read(request.uri());
    if asked.eio3 && !gateway.eio3 {
        return refused(StatusCode::BAD_REQUEST, 5, "Unsupported protocol version");
    }
    if asked.websocket
        && request.method() == Method::GET
        && let Some(refusal) = no_websocket(request.headers())
    {
        return refusal;
    }
    match asked.sid {
        // No session, and none begins: the library says why.
        None if asked.names_one || request.method() != Method::GET => {
            pass_in_time(&gateway, request).await
        }
        None => match gateway.admit_session(gateway.origin_of(&request)) {
            Ok(place) => begin(&gateway, place, request).await,
            Err((status, says)) => come_back(refused(status, 3, says)),
        },
        Some(sid) if asked.websocket => take_over(&gateway, (sid, asked.eio3), request).await,
        Some(sid) if !gateway.door.is_bound_to(sid, opener(request.headers())) => {
            gateway.door.count_refused("opener");
            refused(StatusCode::FORBIDDEN, 4, "Forbidden")
        }
        Some(sid) if request.method() == Method::GET => poll(&gateway, sid, request).await,
        Some(sid) => post(&gateway, (sid, asked.eio3), request).await,
    }
}

/// A WebSocket that goes on where a polling session was.
async fn take_over(
    gateway: &Gateway,
    (sid, eio3): (Sid, bool),
    request: Request<Body>,
) -> Response {
    let conn = request.extensions().get::<Arc<Conn>>().cloned();
    let answer = pass(gateway, request).await;
    // Its stream changes hands only after this answer has been written.
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(conn)) = (answer.status(), conn) {
        gateway.door.taken_over(sid, eio3, &conn);
    }
    answer
}

async fn poll(gateway: &Gateway, sid: Sid, request: Request<Body>) -> Response {
    let link = gateway.door.find(sid);
    let answer = pass(gateway, request).await;
    if let (true, Some(link)) = (answer.status().is_success(), link) {
        let bytes = answer.body().size_hint().exact().unwrap_or(0);
        link.wrote(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    answer
}

/// What is not taken here stays with the client, as on a paused WebSocket. One body after the other,
/// unread until then: only so is what may be waiting bounded.
async fn post(gateway: &Gateway, (sid, eio3): (Sid, bool), request: Request<Body>) -> Response {
    let Some(link) = gateway.door.find(sid) else { return pass_in_time(gateway, request).await };
    let turn = tokio::time::timeout(TAKES_EVENTS_WITHIN, link.posting.lock()).await;
    let Ok(_turn) = turn else {
        link.close(CloseReason::TooLarge);
        return refused(StatusCode::BAD_REQUEST, 3, "Bad request");
    };
    wait_until_readable(gateway, &link, (sid, eio3)).await;
    if link.is_gone() {
        // Nothing of it has been taken; the client says it again where it comes to.
        return refused(StatusCode::BAD_REQUEST, 1, "Session ID unknown");
    }
    let answer = pass_in_time(gateway, request).await;
    if answer.status() == StatusCode::REQUEST_TIMEOUT {
        link.close(CloseReason::TooLarge);
    }
    answer
}

/// A body that does not come to its end is not waited for.
async fn pass_in_time(gateway: &Gateway, request: Request<Body>) -> Response {
    let passed = tokio::time::timeout(BODY_WITHIN, pass(gateway, request)).await;
    passed.unwrap_or_else(|_| refused(StatusCode::REQUEST_TIMEOUT, 3, "Bad request"))
}

/// What its handshake brought is with a session until the library forgets it, and with that its
/// place.
async fn begin(gateway: &Gateway, place: Place, mut request: Request<Body>) -> Response {
    request.extensions_mut().insert(Arc::new(place));
    keep_little(&mut request);
    pass(gateway, request).await
}

/// The library keeps a session's first request for as long as the session lives, and every header
/// and the address of it keep the eight kilobytes they were read into. So only what is needed
/// goes on, copied.
fn keep_little(request: &mut Request<Body>) {
    let needed = [
        header::CONNECTION,
        header::UPGRADE,
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
        header::CONTENT_TYPE,
        // Whose session it is, and where from.
        header::USER_AGENT,
        header::FORWARDED,
        origin::X_FORWARDED_FOR,
    ];
    let there = needed.iter().map(|name| request.headers().get_all(name).iter().count()).sum();
    let mut headers = HeaderMap::with_capacity(there);
    for name in needed {
        for value in request.headers().get_all(&name) {
            if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name.clone(), copy);
            }
        }
    }
    *request.headers_mut() = headers;
    if let Ok(copy) = request.uri().to_string().parse() {
        *request.uri_mut() = copy;
    }
}

/// A client that is made to wait cannot say that it is alive: it sends one body at a time. So it
/// is said for it.
async fn wait_until_readable(gateway: &Gateway, link: &Link, (sid, eio3): (Sid, bool)) {
    let deadline = Instant::now() + TAKES_EVENTS_WITHIN;
    let every = gateway.door.sign_of_life;
    while tokio::time::timeout(every, link.readable()).await.is_err() && Instant::now() < deadline {
        let packet = if eio3 { "1:3" } else { "3" };
        pass(gateway, door::packet_of(sid, eio3, packet)).await;
    }
}

/// Why a request is no handshake of a WebSocket (RFC 6455): the library would answer it as if it
/// were. A proxy that forwards the request but not its upgrade leaves it an ordinary one.
fn no_websocket(headers: &HeaderMap) -> Option<Response> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(upgrade) = text(header::UPGRADE) else {
        let answer = refused(StatusCode::UPGRADE_REQUIRED, 3, "Bad request");
        let upgrade = [(header::UPGRADE, "websocket"), (header::CONNECTION, "upgrade")];
        return Some((upgrade, answer).into_response());
    };
    let connection = text(header::CONNECTION).unwrap_or_default();
    let key = text(header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    let key = data_encoding::BASE64.decode(key.as_bytes());
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let is_one = upgrade.eq_ignore_ascii_case("websocket")
        && connection.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
        && text(header::SEC_WEBSOCKET_VERSION) == Some("13")
        && key.is_ok_and(|key| key.len() == KEY)
        && protocols.map(HeaderValue::len).sum::<usize>() <= LONGEST_PROTOCOLS;
    (!is_one).then(|| refused(StatusCode::BAD_REQUEST, 3, "Bad request"))
}

/// What opened a session, as far as polling requests can tell: Node's WebSocket says nothing.
pub(super) fn opener(headers: &HeaderMap) -> u64 {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    BuildHasherDefault::<DefaultHasher>::default().hash_one(agent)
}

/// Before everything else: whether the request says whom it is meant for, and that is this server.
pub(super) async fn host(
    State(gateway): State<Gateway>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if request.version() == Version::HTTP_11
        && request.headers().get_all(header::HOST).iter().count() != 1
    {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let hosts = &gateway.app.config.server.hosts;
    let named = request.uri().authority().map(|authority| authority.host().to_owned());
    let named = named.or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok().map(|authority| authority.host().to_owned())
    });
    let is_ours = hosts.is_empty()
        || named.is_some_and(|named| hosts.iter().any(|host| host.eq_ignore_ascii_case(&named)));
    if is_ours {
        return next.run(request).await;
    }
    gateway.door.count_refused("host");
    StatusCode::MISDIRECTED_REQUEST.into_response()
}

impl Gateway {
    /// Why a request is not looked at any further.
    fn turns_away(&self, request: &Request<Body>) -> Option<Response> {
        if !self.lets_in(request.headers().get(header::ORIGIN)) {
            self.door.count_refused("origin");
            return Some(refused(StatusCode::FORBIDDEN, 4, "Forbidden"));
        }
        if !matches!(*request.method(), Method::GET | Method::POST | Method::OPTIONS) {
            return Some(not_allowed());
        }
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Some(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "Bad request"));
        }
        // The library counts what arrives; what is announced need not be waited for.
        let is_too_long =
            request.body().size_hint().lower() > self.app.config.engine.max_body.as_u64();
        is_too_long.then(|| refused(StatusCode::PAYLOAD_TOO_LARGE, 3, "Bad request"))
    }

    /// Whether a page of this origin may connect. Who names none is no page.
    fn lets_in(&self, origin: Option<&HeaderValue>) -> bool {
        let allowed = &self.app.config.server.origins;
        origin.is_none_or(|origin| {
            allowed.iter().any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
        })
    }

    /// Where a request comes from.
    fn origin_of(&self, request: &Request<Body>) -> Option<Address> {
        let conn = request.extensions().get::<Arc<Conn>>()?;
        Some(origin::address(conn.peer.ip(), request.headers(), &self.proxies))
    }

    /// A place for one more session, or why there is none now. Nothing has been made for it yet.
    fn admit_session(&self, from: Option<Address>) -> Result<Place, (StatusCode, &'static str)> {
        let away = StatusCode::SERVICE_UNAVAILABLE;
        let many = StatusCode::TOO_MANY_REQUESTS;
        let (reason, says) = if !(self.app.guests.are_ready() && self.app.moderation.is_ready()) {
            ("starting", (away, "This node is waiting for its store"))
        } else if self.app.tokens.as_ref().is_some_and(|tokens| tokens.trouble().is_some()) {
            ("starting", (away, "This node is waiting for the keys of tokens"))
        } else if self.door.is_shut() {
            ("draining", (away, "This node is shutting down"))
        } else {
            match self.door.admission.ask(from) {
                Ok(place) => return Ok(place),
                Err(reason) => (
                    reason.into(),
                    match reason {
                        NotNow::Full => (away, "This node is full"),
                        NotNow::Admission => (away, "Too many come at once"),
                        NotNow::AddressFull => (many, "This address has enough sessions"),
                        NotNow::Address => (many, "Too many come from this address at once"),
                    },
                ),
            }
        };
        self.door.count_refused(reason);
        Err(says)
    }
}

async fn pass(gateway: &Gateway, request: Request<Body>) -> Response {
    match gateway.engine.clone().oneshot(request).await {
        Ok(answer) => in_full(answer.map(Body::new)).await,
        Err(never) => match never {},
    }
}

/// Engine.IO's errors are numbers with a text; the library writes the numbers as texts, or nothing.
async fn in_full(answer: Response) -> Response {
    #[derive(serde::Deserialize)]
    struct Said {
        code: String,
    }
    let status = answer.status();
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) {
        return answer;
    }
    let said = axum::body::to_bytes(answer.into_body(), LONGEST_ERROR).await.unwrap_or_default();
    let said: Option<Said> = serde_json::from_slice(&said).ok();
    match said.as_ref().map(|said| said.code.as_str()) {
        Some("0") => refused(status, 0, "Transport unknown"),
        Some("1") => refused(status, 1, "Session ID unknown"),
        Some("2") => refused(status, 2, "Bad handshake method"),
        Some("5") => refused(status, 5, "Unsupported protocol version"),
        _ => refused(status, 3, "Bad request"),
    }
}

fn come_back(mut answer: Response) -> Response {
    let seconds = 1 + clock::some_of(COME_BACK_WITHIN).as_secs();
    answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    answer
}

fn not_allowed() -> Response {
    let answer = refused(StatusCode::METHOD_NOT_ALLOWED, 2, "Bad handshake method");
    ([(header::ALLOW, "GET, POST, OPTIONS")], answer).into_response()
}

/// An error in Engine.IO's own form.
fn refused(status: StatusCode, code: u8, message: &str) -> Response {
    let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    (status, json_headers(), body).into_response()
}

fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}
