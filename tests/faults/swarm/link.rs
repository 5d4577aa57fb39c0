//! One connection of a client: frames in, frames out, and its end; by WebSocket, by long-polling,
//! or by the one after the other.
use std::{io, net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::common::{Http, beside};

/// Separates packets in a polling body.
const SEPARATOR: char = '\x1e';
/// Packets of one polling body: well below what a body may hold.
const AT_ONCE: usize = 200;
/// Frames that were read and not yet looked at; a client that does not look does not read on.
const LOOKED_AT_LATER: usize = 64;

/// How a client comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
    /// Polling first, then a WebSocket: what a stock client does.
    Upgrade,
}

impl Transport {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Polling => "polling",
            Self::Upgrade => "upgrade",
        }
    }
}

/// What comes of a connection.
pub(super) enum Came {
    Frame(String),
    Ended(String),
}

/// Dropped, the connection is cut.
pub(super) struct Link {
    frames: mpsc::UnboundedSender<String>,
    came: mpsc::Receiver<Came>,
    reading: watch::Sender<bool>,
    cut: CancellationToken,
}

/// The other side of a [`Link`], for its tasks.
#[derive(Clone)]
struct Ends {
    came: mpsc::Sender<Came>,
    reading: watch::Receiver<bool>,
    cut: CancellationToken,
}

type Socket = WebSocketStream<TcpStream>;

impl Link {
    /// `window`: how much the system takes in for us before we read; none: as it likes.
    pub(super) async fn open(
        transport: Transport,
        to: SocketAddr,
        window: Option<u32>,
    ) -> anyhow::Result<Self> {
        let (frames, outgoing) = mpsc::unbounded_channel();
        let (came, coming) = mpsc::channel(LOOKED_AT_LATER);
        let reading = watch::Sender::new(true);
        let cut = CancellationToken::new();
        let ends = Ends { came, reading: reading.subscribe(), cut: cut.clone() };
        let link = Self { frames, came: coming, reading, cut };
        match transport {
            Transport::WebSocket => {
                let socket = websocket(to, window, "").await?;
                ends.carry_by_websocket(socket, outgoing);
            }
            Transport::Polling => {
                let (http, path) = ends.poll_handshake(to).await?;
                let posts = Http::connect(to).await?;
                ends.run(ends.clone().poll(http, path.clone()));
                ends.run(post(posts, to, path, outgoing));
            }
            Transport::Upgrade => {
                let (http, path) = ends.poll_handshake(to).await?;
                let socket = ends.upgrade(to, window, http, &path).await?;
                ends.carry_by_websocket(socket, outgoing);
            }
        }
        Ok(link)
    }

    pub(super) fn send(&self, frame: impl Into<String>) {
        // Whoever has been cut off notices by what it does not hear.
        self.frames.send(frame.into()).ok();
    }

    pub(super) async fn next(&mut self) -> Came {
        self.came.recv().await.unwrap_or_else(|| Came::Ended("the end".to_owned()))
    }

    /// Whether it reads at all.
    pub(super) fn read(&self, reading: bool) {
        self.reading.send_replace(reading);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}

impl Ends {
    /// Runs one half until it ends or the link is cut; then the other half ends too.
    fn run(&self, half: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let ends = self.clone();
        beside(async move {
            let ended = ends.cut.run_until_cancelled(half).await;
            ends.cut.cancel();
            let why = match ended {
                Some(Ok(())) => "the end of the stream".to_owned(),
                Some(Err(cause)) => format!("{cause:#}"),
                None => return,
            };
            ends.came.send(Came::Ended(why)).await.ok();
        });
    }

    async fn take(&self, frame: &str) -> anyhow::Result<()> {
        let mut reading = self.reading.clone();
        reading.wait_for(|reading| *reading).await.context("nobody reads any more")?;
        self.came.send(Came::Frame(frame.to_owned())).await.ok().context("nobody reads any more")
    }

    fn carry_by_websocket(&self, socket: Socket, outgoing: mpsc::UnboundedReceiver<String>) {
        let (sink, stream) = socket.split();
        self.run(self.clone().hear(stream));
        self.run(speak(sink, outgoing));
    }

    async fn hear(self, mut stream: SplitStream<Socket>) -> anyhow::Result<()> {
        while let Some(message) = stream.next().await {
            if let Message::Text(text) = message? {
                self.take(&text).await?;
            }
        }
        Ok(())
    }

    /// Opens a session by polling; the connection it was opened on, and where it is.
    async fn poll_handshake(&self, to: SocketAddr) -> anyhow::Result<(Http, String)> {
        let path = "/socket.io/?EIO=4&transport=polling";
        let mut http = Http::connect(to).await?;
        let opened = http.get(path).await?;
        ensure!(opened.status == 200, "the handshake was answered {}", opened.status);
        let open = opened.body.strip_prefix('0').context("no open packet")?;
        let open: serde_json::Value = serde_json::from_str(open)?;
        let sid = open["sid"].as_str().context("no sid")?;
        self.take(&opened.body).await?;
        Ok((http, format!("{path}&sid={sid}")))
    }

    async fn poll(self, mut http: Http, path: String) -> anyhow::Result<()> {
        loop {
            let answer = http.get(&path).await?;
            ensure!(answer.status == 200, "a poll was answered {}", answer.status);
            for frame in answer.body.split(SEPARATOR) {
                self.take(frame).await?;
            }
        }
    }

    /// Probes a WebSocket while a poll is under way, and moves over once that has been answered.
    async fn upgrade(
        &self,
        to: SocketAddr,
        window: Option<u32>,
        mut http: Http,
        path: &str,
    ) -> anyhow::Result<Socket> {
        let sid = path.rsplit_once("&sid=").map_or("", |(_, sid)| sid);
        let polled = http.get(path);
        let probed = async {
            let mut socket = websocket(to, window, &format!("&sid={sid}")).await?;
            socket.send(Message::text("2probe")).await?;
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text == "3probe" => Ok(socket),
                other => bail!("a probe was answered {other:?}"),
            }
        };
        let (answer, socket) = tokio::try_join!(async { Ok(polled.await?) }, probed)?;
        ensure!(answer.status == 200, "the last poll was answered {}", answer.status);
        for frame in answer.body.split(SEPARATOR).filter(|frame| *frame != "6") {
            self.take(frame).await?;
        }
        let mut socket = socket;
        socket.send(Message::text("5")).await?;
        Ok(socket)
    }
}

async fn connect(to: SocketAddr, window: Option<u32>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(window) = window {
        socket.set_recv_buffer_size(window)?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn websocket(to: SocketAddr, window: Option<u32>, more: &str) -> anyhow::Result<Socket> {
    let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket{more}");
    let (socket, _) = client_async(url, connect(to, window).await?).await?;
    Ok(socket)
}

async fn speak(
    mut sink: SplitSink<Socket, Message>,
    mut outgoing: mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<()> {
    while let Some(frame) = outgoing.recv().await {
        sink.send(Message::text(frame)).await?;
    }
    Ok(())
}

/// A connection that was idle for so long may just be being closed by the server; a browser takes
/// another.
const IDLE: Duration = Duration::from_secs(5);

async fn post(
    mut http: Http,
    to: SocketAddr,
    path: String,
    mut outgoing: mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<()> {
    let mut last = Instant::now();
    while let Some(frame) = outgoing.recv().await {
        if last.elapsed() > IDLE {
            http = Http::connect(to).await?;
        }
        let mut body = frame;
        for _ in 1..AT_ONCE {
            let Ok(more) = outgoing.try_recv() else { break };
            body.push(SEPARATOR);
            body.push_str(&more);
        }
        let answer = http.post(&path, &body).await?;
        ensure!(answer.status == 200, "a post was answered {}", answer.status);
        last = Instant::now();
    }
    Ok(())
}
