//! The accept loop of the public address: our own, because the stock one has no header timeout, no
//! `TCP_USER_TIMEOUT`, a short backlog, and streams nobody can end.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    conn::{Conn, ConnStream},
    door::Door,
};
use crate::config::server::Server as ServerConfig;

/// Headers of one request: more of them, or more bytes of them, and it is answered 431.
const MOST_HEADERS: usize = 64;
const LARGEST_HEAD: usize = 16 * 1024;
/// After a failed accept (no descriptors left, mostly) the next one waits a moment.
const CATCH_BREATH: Duration = Duration::from_millis(50);
/// How long a request may take to end once the door is closed.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// Binds an address with a deep backlog.
pub(super) fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Accepts until `closed`. At `max_connections` further ones wait in the backlog.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    config: ServerConfig,
    door: Arc<Door>,
    closed: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(config.max_connections));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = closed.cancelled() => return,
        };
        let ((tcp, peer), place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(CATCH_BREATH).await;
                continue;
            }
        };
        prepare(&tcp, config.user_timeout);
        let (conn, stream) = Conn::open(tcp, peer, &door, place);
        let (router, closed) = (router.clone(), closed.clone());
        let header_timeout = config.header_timeout;
        door.lifecycle.spawn(async move {
            serve(stream, conn, router, header_timeout, closed).await;
        });
    }
}

/// A peer that has stopped reading is otherwise never noticed.
fn prepare(tcp: &TcpStream, user_timeout: Duration) {
    let set = tcp.set_nodelay(true);
    let set = set.and_then(|()| SockRef::from(tcp).set_tcp_user_timeout(Some(user_timeout)));
    if let Err(error) = set {
        tracing::debug!(%error, "cannot set options of a connection");
    }
}

async fn serve(
    stream: ConnStream,
    conn: Arc<Conn>,
    router: Router,
    header_timeout: Duration,
    closed: CancellationToken,
) {
    let peer = conn.peer;
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(conn.clone());
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = closed.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_REQUEST, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}
