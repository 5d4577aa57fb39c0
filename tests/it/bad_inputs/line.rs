//! A raw connection: sends any bytes, and keeps every frame that comes back as it came.
use std::net::SocketAddr;

use data_encoding::BASE64;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::TcpStream,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::table::prefix;
use crate::harness::{Http, PATIENCE, Transport, beside, patiently};

type Socket = WebSocketStream<TcpStream>;

/// Dropped, its streams end.
pub(super) struct Line {
    sender: Sender,
    frames: UnboundedReceiver<String>,
    probes: u64,
}

enum Sender {
    WebSocket(UnboundedSender<Message>),
    Polling { http: Http, path: String },
}

/// What came back for one input.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) frames: Vec<String>,
    pub(super) closed: bool,
    /// Neither the last frame nor the end came.
    pub(super) stuck: bool,
}

impl Line {
    /// A session that has said nothing yet.
    pub(super) async fn open(transport: Transport, to: SocketAddr) -> Self {
        let (heard, frames) = mpsc::unbounded_channel();
        let opened = async {
            match transport {
                Transport::WebSocket => websocket(to, heard).await,
                Transport::Polling | Transport::Upgraded => polling(to, heard).await,
            }
        };
        let sender = patiently("a session", opened).await;
        let mut line = Self { sender, frames, probes: 1_000 };
        if transport == Transport::WebSocket {
            let handshake = patiently("the handshake", line.frames.recv()).await.unwrap();
            assert!(handshake.starts_with('0'), "{handshake}");
        }
        line
    }

    /// One that has entered a namespace, and rooms.
    pub(super) async fn enter(
        transport: Transport,
        to: SocketAddr,
        namespace: &str,
        rooms: &[&str],
    ) -> Self {
        let mut line = Self::open(transport, to).await;
        let connect = format!("40{}", prefix(namespace));
        line.send(&connect).await;
        line.hear_until(|frame| frame.starts_with(&connect)).await;
        for room in rooms {
            line.send(&format!("42{}2[\"room:join\",{{\"room\":\"{room}\"}}]", prefix(namespace)))
                .await;
        }
        let came = line.hear_out(namespace).await;
        assert!(!came.closed && !came.stuck, "{namespace} was not entered: {came:?}");
        line
    }

    pub(super) async fn send(&mut self, packet: &str) {
        match &mut self.sender {
            Sender::WebSocket(out) => {
                let message = match packet.strip_prefix('b') {
                    Some(binary) => Message::binary(BASE64.decode(binary.as_bytes()).unwrap()),
                    None => Message::text(packet),
                };
                out.send(message).ok();
            }
            // A refusal ends the polling too, which is where it is noticed.
            Sender::Polling { http, path } => {
                patiently("the answer to a post", http.post(path, packet)).await.ok();
            }
        }
    }

    /// All that comes until the answer to something that is asked now, or until the end.
    pub(super) async fn hear_out(&mut self, namespace: &str) -> Came {
        self.probes += 1;
        let prefix = prefix(namespace);
        self.send(&format!("42{prefix}{}[\"system:ping\",{{}}]", self.probes)).await;
        let answer = format!("43{prefix}{}[", self.probes);
        self.hear_until(|frame| frame.starts_with(&answer)).await
    }

    /// All that comes until this frame has come too, which the library says in its own time.
    pub(super) async fn hear_said(&mut self, said: &str, namespace: &str) -> Came {
        let mut came = self.hear_until(|frame| frame == said).await;
        if came.closed || came.stuck {
            return came;
        }
        came.frames.push(said.to_owned());
        let rest = self.hear_out(namespace).await;
        came.frames.extend(rest.frames);
        Came { frames: came.frames, ..rest }
    }

    /// All that comes until the end, which must come.
    pub(super) async fn hear_the_end(&mut self) -> Came {
        self.hear_until(|_| false).await
    }

    /// All that comes before a frame that says so, or until the end.
    pub(super) async fn hear_until(&mut self, is_last: impl Fn(&str) -> bool) -> Came {
        let mut came = Came::default();
        loop {
            let Ok(frame) = tokio::time::timeout(PATIENCE, self.frames.recv()).await else {
                came.stuck = true;
                return came;
            };
            match frame {
                Some(frame) if is_last(&frame) => return came,
                // A ping, or what only ends a poll.
                Some(frame) if ["1", "2", "6"].contains(&frame.as_str()) => {}
                Some(frame) => came.frames.push(frame),
                None => {
                    came.closed = true;
                    return came;
                }
            }
        }
    }
}

async fn websocket(to: SocketAddr, heard: UnboundedSender<String>) -> Sender {
    let tcp = TcpStream::connect(to).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket");
    let (socket, _) = client_async(url, tcp).await.unwrap();
    let (sink, stream) = socket.split();
    let (out, outgoing) = mpsc::unbounded_channel();
    beside(listen(stream, out.downgrade(), heard));
    beside(speak(sink, outgoing));
    Sender::WebSocket(out)
}

async fn listen(
    mut stream: SplitStream<Socket>,
    replies: mpsc::WeakUnboundedSender<Message>,
    heard: UnboundedSender<String>,
) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) if text == "2" => {
                if let Some(replies) = replies.upgrade() {
                    replies.send(Message::text("3")).ok();
                }
            }
            Message::Text(text) if heard.send(text.to_string()).is_err() => return,
            _ => {}
        }
    }
}

async fn speak(mut sink: SplitSink<Socket, Message>, mut outgoing: UnboundedReceiver<Message>) {
    while let Some(message) = outgoing.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    sink.close().await.ok();
}

async fn polling(to: SocketAddr, heard: UnboundedSender<String>) -> Sender {
    let path = "/socket.io/?EIO=4&transport=polling";
    let mut http = Http::connect(to).await.unwrap();
    let opened = http.get(path).await.unwrap();
    assert_eq!(opened.status, 200, "{opened:?}");
    let handshake: serde_json::Value = serde_json::from_str(&opened.body[1..]).unwrap();
    let path = format!("{path}&sid={}", handshake["sid"].as_str().unwrap());
    beside(poll(http, path.clone(), Http::connect(to).await.unwrap(), heard));
    Sender::Polling { http: Http::connect(to).await.unwrap(), path }
}

async fn poll(mut http: Http, path: String, mut posts: Http, heard: UnboundedSender<String>) {
    loop {
        let answer = tokio::select! {
            answer = http.get(&path) => answer,
            // Nobody listens any more, so a page would say that it goes.
            () = heard.closed() => {
                posts.post(&path, "1").await.ok();
                return;
            }
        };
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else { return };
        for frame in answer.body.split('\x1e').filter(|frame| !frame.is_empty()) {
            if frame == "2" {
                posts.post(&path, "3").await.ok();
            }
            heard.send(frame.to_owned()).ok();
        }
    }
}
