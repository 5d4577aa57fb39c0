//! What a WebSocket shows: whether it is let through, whether answers are, and whether it may idle.
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{
    PATIENCE,
    report::{Mistake, Report},
    session::{Opened, Visit, look_at_time},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What of `session:ready` is looked at.
#[derive(Deserialize)]
struct Ready {
    node: String,
    durability: String,
    server_time: u64,
}

pub(super) async fn look(visit: &Visit, watch: Option<Duration>, report: &mut Report) {
    let url = address(visit);
    let Some(mut socket) = connect(visit, &url, report).await else { return };
    let asked = Instant::now();
    if let Some(opened) = enter(&mut socket, &url, asked, report).await {
        idle(&mut socket, &opened, (watch, &url), report).await;
    }
    socket.send(Message::text("1")).await.ok();
    timeout(PATIENCE, socket.close(None)).await.ok();
}

fn address(visit: &Visit) -> Url {
    let mut url = visit.engine("websocket", None);
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    // Both are known schemes with a host, so this cannot fail.
    url.set_scheme(scheme).ok();
    url
}

async fn connect(visit: &Visit, url: &Url, report: &mut Report) -> Option<Socket> {
    let mut request = url.as_str().into_client_request().ok()?;
    if let Some(origin) = visit.origin.as_ref().and_then(|origin| origin.parse().ok()) {
        request.headers_mut().insert("origin", origin);
    }
    let what = match timeout(PATIENCE, connect_async(request)).await {
        Ok(Ok((socket, _))) => return Some(socket),
        Ok(Err(Error::Http(answer))) if answer.status() == 403 && visit.origin.is_some() => {
            let at = format!("{url} with that origin");
            report.found(Mistake::Cors, "WebSockets of pages of this origin are refused", at);
            return None;
        }
        Ok(Err(Error::Http(answer))) if answer.status() == 503 => {
            report.found(Mistake::NotTaken, "no session is taken now: status 503", url.as_str());
            return None;
        }
        Ok(Err(Error::Http(answer))) => {
            format!("the WebSocket is refused: status {}", answer.status())
        }
        Ok(Err(error)) => format!("the WebSocket does not come about: {error}"),
        Err(_) => format!("nothing answers the upgrade to a WebSocket within {PATIENCE:?}"),
    };
    report.found(Mistake::Upgrade, what, url.as_str());
    None
}

/// From the first packet to `session:ready`.
async fn enter(
    socket: &mut Socket,
    url: &Url,
    asked: Instant,
    report: &mut Report,
) -> Option<Opened> {
    let held_back = format!("the WebSocket is open, and nothing comes through within {PATIENCE:?}");
    let opened = match timeout(PATIENCE, next(socket)).await {
        Ok(Some(packet)) => packet.strip_prefix('0').and_then(|p| serde_json::from_str(p).ok()),
        Ok(None) => None,
        Err(_) => {
            report.found(Mistake::Buffered, held_back, url.as_str());
            return None;
        }
    };
    let Some(opened): Option<Opened> = opened else {
        report.found(Mistake::NotHubbub, "the WebSocket speaks no Engine.IO", url.as_str());
        return None;
    };
    socket.send(Message::text(r#"40/chat,{"name":"doctor"}"#)).await.ok()?;
    let ready = async {
        while let Some(packet) = next(socket).await {
            if packet.starts_with("44/chat,") {
                return Err(packet);
            }
            if let Some(ready) = read_ready(&packet) {
                return Ok(ready);
            }
        }
        Err("the connection was closed".to_owned())
    };
    match timeout(PATIENCE, ready).await {
        Ok(Ok(Ready { node, durability, server_time })) => {
            let took = asked.elapsed();
            look_at_time(server_time, took, &format!("the clock of the node {node}"), report);
            let ms = took.as_millis();
            report.seen(format!("a WebSocket reached the node {node} in {ms} ms"));
            if durability == "none" {
                let what = "what is acknowledged does not survive a restart of the store";
                report.found(Mistake::Durability, what, format!("session:ready of {node}"));
            } else {
                report
                    .seen(format!("what is acknowledged survives as durability {durability} says"));
            }
        }
        Ok(Err(why)) => {
            report.found(Mistake::NotTaken, format!("nobody is let in: {why}"), url.as_str());
        }
        Err(_) => report.found(Mistake::Buffered, held_back, url.as_str()),
    }
    Some(opened)
}

fn read_ready(packet: &str) -> Option<Ready> {
    let args = packet.strip_prefix("42/chat,")?;
    let (event, ready): (String, serde_json::Value) = serde_json::from_str(args).ok()?;
    if event == "session:ready" { serde_json::from_value(ready).ok() } else { None }
}

/// Says nothing but the answers to pings.
async fn idle(
    socket: &mut Socket,
    opened: &Opened,
    (watch, url): (Option<Duration>, &Url),
    report: &mut Report,
) {
    let began = Instant::now();
    let mut last = began;
    let mut pings = 0;
    // The first ping comes at once; what counts is whether the time between two is survived.
    let is_over = |pings| {
        let passed = began.elapsed();
        watch.map_or(pings > 0 && passed >= opened.interval().mul_f64(0.9), |w| passed >= w)
    };
    while !is_over(pings) {
        let left = watch.map_or(opened.at_most(), |w| w.saturating_sub(began.elapsed()));
        match timeout(left.min(opened.at_most()), next(socket)).await {
            Ok(Some(packet)) => {
                last = Instant::now();
                pings += u32::from(packet == "2");
                if packet.contains("system:notice") && packet.contains("draining") {
                    let what = "the node went away while it was watched";
                    return report.found(Mistake::NotTaken, what, url.as_str());
                }
            }
            Ok(None) => {
                let (quiet, every) = (last.elapsed().as_secs_f64(), opened.interval());
                let what = format!(
                    "an idle WebSocket was closed after {quiet:.1} s without a word; pings come \
                     every {every:?}"
                );
                return report.found(Mistake::Idle, what, url.as_str());
            }
            Err(_) if last.elapsed() >= opened.at_most() => {
                let what = format!("no ping came through within {:?}", opened.at_most());
                return report.found(Mistake::Buffered, what, url.as_str());
            }
            Err(_) => {}
        }
    }
    let watched = humantime::format_duration(Duration::from_secs(began.elapsed().as_secs()));
    report.seen(format!("an idle WebSocket stayed open for {watched}, with {pings} pings"));
}

/// The next packet, pings answered; `None`: it is closed.
async fn next(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text == "1" => return None,
            Some(Ok(Message::Text(text))) => {
                if text == "2" {
                    socket.send(Message::text("3")).await.ok()?;
                }
                return Some(text.to_string());
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}
