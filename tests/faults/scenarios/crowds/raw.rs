//! Engine.IO by hand, for what no client of the swarm does.
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::common::{Http, patiently};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a session by polling; its connection, and its id.
async fn opens(at: SocketAddr) -> (Http, String) {
    let mut http = Http::connect(at).await.unwrap();
    let opened = http.get(POLLING).await.unwrap();
    assert_eq!(opened.status, 200, "{}", opened.body);
    let open: Value = serde_json::from_str(&opened.body[1..]).unwrap();
    (http, open["sid"].as_str().unwrap().to_owned())
}

/// Opens a session at one node and asks for it at another, as a balancer without stickiness does;
/// the answer.
pub(super) async fn polls_elsewhere(at: SocketAddr, other: SocketAddr) -> (u16, String) {
    let (_open, sid) = opens(at).await;
    let mut http = Http::connect(other).await.unwrap();
    let answer = http.post(&format!("{POLLING}&sid={sid}"), "40/chat,").await.unwrap();
    (answer.status, answer.body)
}

/// A client that began to change to a WebSocket, and fell silent; dropped, it is gone.
pub(super) struct Half {
    _polling: Http,
    _socket: WebSocketStream<TcpStream>,
}

impl Half {
    pub(super) async fn of_an_upgrade(at: SocketAddr) -> Self {
        let (polling, sid) = opens(at).await;
        let stream = TcpStream::connect(at).await.unwrap();
        let url = format!("ws://{at}/socket.io/?EIO=4&transport=websocket&sid={sid}");
        let (mut socket, _) = client_async(url, stream).await.unwrap();
        socket.send(Message::text("2probe")).await.unwrap();
        let said = patiently("the answer to a probe", socket.next()).await.unwrap().unwrap();
        assert_eq!(said.to_text().unwrap(), "3probe");
        Self { _polling: polling, _socket: socket }
    }
}
