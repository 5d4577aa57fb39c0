//! Somebody who joins a room and then does not read: a closed laptop, with the TCP window shut.
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{Node, patiently};

/// As small as the system allows.
const WINDOW: u32 = 2_048;

pub(crate) struct Stalled(WebSocketStream<TcpStream>);

impl Stalled {
    pub(crate) async fn join(node: &Node, room: &str) -> Self {
        let to = node.address();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(WINDOW).unwrap();
        let tcp = socket.connect(to).await.unwrap();
        let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = client_async(url, tcp).await.unwrap();
        let mut stalled = Self(socket);
        stalled.send("40/chat,{\"name\":\"stalled\"}").await;
        stalled.read_until("session:ready").await;
        stalled.send(&format!("42/chat,0{}", json!(["room:join", { "room": room }]))).await;
        stalled.read_until("43/chat,0").await;
        stalled
    }

    /// Reads again, and finds the end.
    pub(crate) async fn reads_to_the_end(mut self) {
        let end = async { while let Some(Ok(_)) = self.0.next().await {} };
        patiently("the end", end).await;
    }

    async fn send(&mut self, frame: &str) {
        self.0.send(Message::text(frame)).await.unwrap();
    }

    async fn read_until(&mut self, what: &str) {
        let found = async {
            while !self.0.next().await.unwrap().unwrap().to_text().unwrap().contains(what) {}
        };
        patiently(what, found).await;
    }
}
