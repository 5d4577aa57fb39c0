//! Before the protocol: whether a request may reach it, and what it tells us of its session.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use socketioxide::socket::Sid;
use tower::ServiceExt;

use super::{Gateway, conn::Conn, door, link::Link};
use crate::{
    clock,
    policy::admission::{NotNow, Place},
    rooms::CloseReason,
};

/// How long a polling request waits for its session to take events again.
const TAKES_EVENTS_WITHIN: Duration = Duration::from_secs(10);
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
    if !gateway.lets_in(request.headers().get(header::ORIGIN)) {
        gateway.door.count_refused("origin");
        return refused(StatusCode::FORBIDDEN, 4, "Forbidden");
    }
    let asked = Asked::read(request.uri());
    if asked.eio3 && !gateway.eio3 {
        return refused(StatusCode::BAD_REQUEST, 5, "Unsupported protocol version");
    }
    let Some(sid) = asked.sid else {
        if asked.names_one || request.method() != Method::GET {
            // No session, and none begins: the library says why.
            return pass(&gateway, request).await;
        }
        return match gateway.admit_session() {
            Ok(place) => begin(&gateway, place, request).await,
            Err(says) => come_back(refused(StatusCode::SERVICE_UNAVAILABLE, 3, says)),
        };
    };
    if asked.websocket {
        if !wants_websocket(request.headers()) {
            return refused(StatusCode::BAD_REQUEST, 3, "Bad request");
        }
        let conn = request.extensions().get::<Arc<Conn>>().cloned();
        let answer = pass(&gateway, request).await;
        // Its stream changes hands only after this answer has been written.
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(conn)) = (answer.status(), conn) {
            gateway.door.taken_over(sid, asked.eio3, &conn);
        }
        return answer;
    }
    let polls = request.method() == Method::GET;
    let link = gateway.door.find(sid);
    if let (false, Some(link)) = (polls, &link) {
        // What is not taken here stays with the client, as on a paused WebSocket.
        // One body after the other, unread until then: only so is what may be waiting bounded.
        let turn = tokio::time::timeout(TAKES_EVENTS_WITHIN, link.posting.lock()).await;
        let Ok(_turn) = turn else {
            link.close(CloseReason::TooLarge);
            return refused(StatusCode::BAD_REQUEST, 3, "Bad request");
        };
        wait_until_readable(&gateway, link, (sid, asked.eio3)).await;
        return pass(&gateway, request).await;
    }
    let answer = pass(&gateway, request).await;
    if let (true, Some(link)) = (polls && answer.status().is_success(), link) {
        let bytes = answer.body().size_hint().exact().unwrap_or(0);
        link.wrote(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    answer
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
    ];
    let mut headers = HeaderMap::with_capacity(needed.len());
    for name in needed {
        let value = request.headers().get(&name).map(HeaderValue::as_bytes);
        if let Some(Ok(copy)) = value.map(HeaderValue::from_bytes) {
            headers.insert(name, copy);
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

/// A proxy that forwards the request but not its upgrade leaves it an ordinary one.
fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

impl Gateway {
    /// Whether a page of this origin may connect. Who names none is no page.
    fn lets_in(&self, origin: Option<&HeaderValue>) -> bool {
        let allowed = &self.app.config.server.origins;
        origin.is_none_or(|origin| {
            allowed.iter().any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
        })
    }

    /// A place for one more session, or why there is none now. Nothing has been made for it yet.
    fn admit_session(&self) -> Result<Place, &'static str> {
        let (reason, says) = if !self.app.guests.are_ready() {
            ("starting", "This node is waiting for its store")
        } else if self.door.is_shut() {
            ("draining", "This node is shutting down")
        } else {
            match self.door.admission.ask() {
                Ok(place) => return Ok(place),
                Err(reason @ NotNow::Full) => (reason.into(), "This node is full"),
                Err(reason @ NotNow::Admission) => (reason.into(), "Too many come at once"),
            }
        };
        self.door.count_refused(reason);
        Err(says)
    }
}

async fn pass(gateway: &Gateway, request: Request<Body>) -> Response {
    match gateway.engine.clone().oneshot(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(never) => match never {},
    }
}

fn come_back(mut answer: Response) -> Response {
    let seconds = 1 + clock::some_of(COME_BACK_WITHIN).as_secs();
    answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    answer
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
