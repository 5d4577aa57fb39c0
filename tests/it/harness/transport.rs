//! The ways to carry frames: a WebSocket, long-polling, and the one after the other. Each is two
//! tasks, so that a user reads while it writes.
use std::{net::SocketAddr, sync::Arc};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use super::{
    Http, beside,
    inbox::Inbox,
    throttle::{Rate, Throttle},
};

/// Separates packets in a polling body.
const SEPARATOR: char = '\x1e';
/// Packets of one polling body: well below what a body may hold.
const AT_ONCE: usize = 200;
/// Frames written to a WebSocket before it is flushed.
const FRAMES_AT_ONCE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
    /// Polling first, and a WebSocket as soon as there is one; as stock clients do.
    Upgraded,
}

/// A user's end of a connection. Dropped, the connection is cut.
pub(super) struct Wire {
    frames: UnboundedSender<String>,
    cut: CancellationToken,
    rate: Rate,
}

impl Wire {
    /// `is_narrow`: the system takes in little for it, so that who reads slowly is felt to; `from`:
    /// what a proxy would say of where it comes from.
    pub(super) async fn open(
        transport: Transport,
        to: SocketAddr,
        (is_narrow, from): (bool, Option<&str>),
        inbox: &Arc<Inbox>,
    ) -> Self {
        let (frames, outgoing) = mpsc::unbounded_channel();
        let wire =
            Self { frames: frames.clone(), cut: CancellationToken::new(), rate: Rate::default() };
        let carried = match transport {
            Transport::WebSocket => wire.by_websocket(to, (is_narrow, from), inbox, outgoing).await,
            Transport::Polling => wire.by_polling(to, (from, None), inbox, outgoing).await,
            Transport::Upgraded => {
                let upgrade = Upgrade { to, rate: wire.rate.clone(), is_narrow };
                wire.by_polling(to, (from, Some(upgrade)), inbox, outgoing).await
            }
        };
        if let Err(why) = carried {
            inbox.close(&why.to_string());
        }
        wire
    }

    pub(super) fn send(&self, frame: impl Into<String>) {
        // Whoever has been cut off notices by what it does not hear.
        self.frames.send(frame.into()).ok();
    }

    /// Ends the TCP connections, without a word.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// How many bytes a second are read; none: all there are.
    pub(super) fn read_at(&self, rate: Option<usize>) {
        self.rate.set(rate);
    }

    async fn by_websocket(
        &self,
        to: SocketAddr,
        (is_narrow, from): (bool, Option<&str>),
        inbox: &Arc<Inbox>,
        outgoing: UnboundedReceiver<String>,
    ) -> anyhow::Result<()> {
        let socket = websocket_from(to, self.rate.clone(), is_narrow, ("", from)).await?;
        let (sink, stream) = socket.split();
        self.run(inbox, hear(stream, self.frames.clone(), inbox.clone()));
        self.run(inbox, speak(sink, outgoing));
        Ok(())
    }

    async fn by_polling(
        &self,
        to: SocketAddr,
        (from, upgrade): (Option<&str>, Option<Upgrade>),
        inbox: &Arc<Inbox>,
        outgoing: UnboundedReceiver<String>,
    ) -> anyhow::Result<()> {
        let path = "/socket.io/?EIO=4&transport=polling";
        let connect = async || {
            let http = Http::connect(to).await?;
            Ok::<_, anyhow::Error>(match from {
                Some(from) => http.with("x-forwarded-for", from),
                None => http,
            })
        };
        let mut http = connect().await?;
        let opened = http.get(path).await?;
        anyhow::ensure!(opened.status == 200, "{opened:?}");
        inbox.take(&opened.body);
        let sid = inbox.handshake().await["sid"].as_str().unwrap().to_owned();
        let path = format!("{path}&sid={sid}");
        let posts = connect().await?;
        let (replies, heard) = (self.frames.clone(), inbox.clone());
        let Some(upgrade) = upgrade else {
            let never = CancellationToken::new();
            self.run(inbox, poll(http, path.clone(), replies, heard, never.clone()));
            self.run(inbox, async move {
                post(posts, path, outgoing, never).await.err().unwrap_or_default()
            });
            return Ok(());
        };
        self.run(inbox, async move {
            let probed = CancellationToken::new();
            let (polled, posted, socket) = tokio::join!(
                poll(http, path.clone(), replies.clone(), heard.clone(), probed.clone()),
                post(posts, path, outgoing, probed.clone()),
                upgrade.probe(&sid, probed),
            );
            let (Ok(outgoing), Ok(mut socket)) = (posted, socket) else { return polled };
            if let Err(error) = socket.send(Message::text("5")).await {
                return error.to_string();
            }
            let (sink, stream) = socket.split();
            tokio::select! {
                why = hear(stream, replies, heard) => why,
                why = speak(sink, outgoing) => why,
            }
        });
        Ok(())
    }

    /// Runs one half until it ends or the wire is cut; then the other half ends too.
    fn run(&self, inbox: &Arc<Inbox>, half: impl Future<Output = String> + Send + 'static) {
        let (cut, inbox) = (self.cut.clone(), inbox.clone());
        beside(async move {
            let why = cut.run_until_cancelled(half).await;
            cut.cancel();
            inbox.close(why.as_deref().unwrap_or("cut"));
        });
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

type Socket = WebSocketStream<Throttle>;

/// A WebSocket to be, for a session that polls.
struct Upgrade {
    to: SocketAddr,
    rate: Rate,
    is_narrow: bool,
}

impl Upgrade {
    /// Opens it; polling ends when it is known to work.
    async fn probe(self, sid: &str, probed: CancellationToken) -> anyhow::Result<Socket> {
        let _ended = probed.drop_guard();
        let session = format!("&sid={sid}");
        let mut socket = websocket(self.to, self.rate, self.is_narrow, &session).await?;
        socket.send(Message::text("2probe")).await?;
        let answer = socket.next().await;
        anyhow::ensure!(
            matches!(&answer, Some(Ok(Message::Text(t))) if t.as_str() == "3probe"),
            "{answer:?}"
        );
        Ok(socket)
    }
}

async fn websocket(
    to: SocketAddr,
    rate: Rate,
    is_narrow: bool,
    session: &str,
) -> anyhow::Result<Socket> {
    websocket_from(to, rate, is_narrow, (session, None)).await
}

async fn websocket_from(
    to: SocketAddr,
    rate: Rate,
    is_narrow: bool,
    (session, from): (&str, Option<&str>),
) -> anyhow::Result<Socket> {
    let tcp = Throttle::connect(to, rate, is_narrow).await?;
    let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket{session}");
    let mut request = url.into_client_request()?;
    if let Some(from) = from {
        request.headers_mut().insert("x-forwarded-for", from.parse()?);
    }
    Ok(client_async(request, tcp).await?.0)
}

async fn hear(
    mut stream: SplitStream<Socket>,
    replies: UnboundedSender<String>,
    inbox: Arc<Inbox>,
) -> String {
    while let Some(message) = stream.next().await {
        match message {
            Ok(Message::Text(text)) => {
                if let Some(reply) = inbox.take(&text) {
                    replies.send(reply.to_owned()).ok();
                }
            }
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    "the end of the stream".to_owned()
}

async fn speak(
    mut sink: SplitSink<Socket, Message>,
    mut outgoing: UnboundedReceiver<String>,
) -> String {
    while let Some(frame) = outgoing.recv().await {
        let mut fed = sink.feed(Message::text(frame)).await;
        // Few at once: what a full socket does not take is moved about in memory.
        for _ in 1..FRAMES_AT_ONCE {
            let (Ok(()), Ok(more)) = (&fed, outgoing.try_recv()) else { break };
            fed = sink.feed(Message::text(more)).await;
        }
        if fed.is_err() || sink.flush().await.is_err() {
            // The reading half knows why.
            return std::future::pending().await;
        }
    }
    "the user is gone".to_owned()
}

async fn poll(
    mut http: Http,
    path: String,
    replies: UnboundedSender<String>,
    inbox: Arc<Inbox>,
    until: CancellationToken,
) -> String {
    while !until.is_cancelled() {
        match http.get(&path).await {
            Ok(answer) if answer.status == 200 => {
                for reply in answer.body.split(SEPARATOR).filter_map(|frame| inbox.take(frame)) {
                    replies.send(reply.to_owned()).ok();
                }
            }
            Ok(answer) => return format!("a poll was answered {}", answer.status),
            Err(error) => return error.to_string(),
        }
    }
    "the polling is over".to_owned()
}

/// Ends with what is still to be sent, if there is somebody else to send it.
async fn post(
    mut http: Http,
    path: String,
    mut outgoing: UnboundedReceiver<String>,
    until: CancellationToken,
) -> Result<UnboundedReceiver<String>, String> {
    loop {
        let frame = tokio::select! {
            biased;
            () = until.cancelled() => return Ok(outgoing),
            frame = outgoing.recv() => frame,
        };
        let Some(mut body) = frame else { return Err("the user is gone".to_owned()) };
        for _ in 1..AT_ONCE {
            let Ok(more) = outgoing.try_recv() else { break };
            body.push(SEPARATOR);
            body.push_str(&more);
        }
        match http.post(&path, &body).await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => return Err(format!("a post was answered {}", answer.status)),
            Err(error) => return Err(error.to_string()),
        }
    }
}
