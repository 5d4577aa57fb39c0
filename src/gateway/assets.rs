//! The page, and the client files that the official server offers under `/socket.io/`: embedded,
//! compressed at build time, with the headers the official server gives them.
use axum::{
    body::Body,
    extract::Path,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
            CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
        },
    },
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

/// What `npm run build` made of `web/`.
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Built;

/// Nothing but what we serve ourselves; a text a user wrote can never become a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; font-src 'self'; connect-src 'self' ws: wss:; \
    manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Files with a hash in their name never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Asked after each time; mostly answered by 304.
const ASK_AGAIN: &str = "public, max-age=0";

/// `GET /`
pub(super) async fn page(headers: HeaderMap) -> Response {
    let mut answer = file("index.html", &headers, ASK_AGAIN, None);
    let own = answer.headers_mut();
    own.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    own.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    own.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    answer
}

/// `GET /assets/…`
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{name}"), &headers, FOR_EVER, None)
}

/// `GET /socket.io/socket.io.js` and its siblings. Their tag is the client's version.
pub(super) async fn client(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let known = name.starts_with("socket.io.") && matches!(ending(&name), "js" | "map");
    let version = known.then(|| Built::get("socket.io/version.txt")).flatten();
    let Some(version) = version else { return StatusCode::NOT_FOUND.into_response() };
    let tag = format!("\"{}\"", String::from_utf8_lossy(&version.data).trim());
    file(&format!("socket.io/{name}"), &headers, ASK_AGAIN, Some(tag))
}

fn file(path: &str, asked: &HeaderMap, caching: &'static str, tag: Option<String>) -> Response {
    let compressed = matches!(ending(path), "br" | "gz");
    let Some(plain) = Built::get(path).filter(|_| !compressed) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = tag.unwrap_or_else(|| format!("\"{}\"", hex(&plain.metadata.sha256_hash()[..8])));
    let headers = [
        (CACHE_CONTROL, caching.to_owned()),
        (ETAG, tag.clone()),
        (VARY, "accept-encoding".to_owned()),
    ];
    if matches_tag(asked, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = [(CONTENT_TYPE, content_type(path))];
    for (encoding, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(asked, encoding)
            && let Some(packed) = Built::get(&format!("{path}{ending}"))
        {
            let packed = Body::from(packed.data);
            return (headers, kind, [(CONTENT_ENCODING, encoding)], packed).into_response();
        }
    }
    (headers, kind, Body::from(plain.data)).into_response()
}

/// Strong or weak, one of several, or any.
fn matches_tag(asked: &HeaderMap, tag: &str) -> bool {
    asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|t| t == "*" || t.trim_start_matches("W/") == tag)
    })
}

fn accepts(asked: &HeaderMap, encoding: &str) -> bool {
    asked.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|list| {
        list.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next() == Some(encoding) && parts.all(|p| p != "q=0")
        })
    })
}

/// What follows the last dot.
fn ending(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

fn content_type(path: &str) -> &'static str {
    match ending(path) {
        "html" => "text/html; charset=utf-8",
        "js" => "application/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "map" | "json" => "application/json",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
