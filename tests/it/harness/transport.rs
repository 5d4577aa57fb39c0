//! The two ways to carry frames: a WebSocket, and long-polling. Each is two tasks, so that a user
//! reads while it writes.
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
    beside,
    http::Http,
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
            Transport::Polling => wire.by_polling(to, from, inbox, outgoing).await,
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
        let tcp = Throttle::connect(to, self.rate.clone(), is_narrow).await?;
        let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket");
        let mut request = url.into_client_request()?;
        if let Some(from) = from {
            request.headers_mut().insert("x-forwarded-for", from.parse()?);
        }
        let (socket, _) = client_async(request, tcp).await?;
        let (sink, stream) = socket.split();
        self.run(inbox, hear(stream, self.frames.clone(), inbox.clone()));
        self.run(inbox, speak(sink, outgoing));
        Ok(())
    }

    async fn by_polling(
        &self,
        to: SocketAddr,
        from: Option<&str>,
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
        self.run(inbox, poll(http, path.clone(), self.frames.clone(), inbox.clone()));
        self.run(inbox, post(posts, path, outgoing));
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
) -> String {
    loop {
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
}

async fn post(mut http: Http, path: String, mut outgoing: UnboundedReceiver<String>) -> String {
    while let Some(frame) = outgoing.recv().await {
        let mut body = frame;
        for _ in 1..AT_ONCE {
            let Ok(more) = outgoing.try_recv() else { break };
            body.push(SEPARATOR);
            body.push_str(&more);
        }
        match http.post(&path, &body).await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => return format!("a post was answered {answer:?}"),
            Err(error) => return error.to_string(),
        }
    }
    "the user is gone".to_owned()
}
