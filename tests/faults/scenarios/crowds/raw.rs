//! Engine.IO by hand, for what no client of the swarm does.
use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use crate::{
    common::{Http, patiently},
    records::Name,
    swarm::new_mid,
};

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

/// A session by WebSocket. A node that is behind lets nobody new in and says when to come again.
async fn opens_socket(at: SocketAddr) -> WebSocketStream<TcpStream> {
    loop {
        let stream = TcpStream::connect(at).await.unwrap();
        let url = format!("ws://{at}/socket.io/?EIO=4&transport=websocket");
        match client_async(url, stream).await {
            Ok((socket, _)) => return socket,
            Err(Error::Http(answer)) if answer.status() == 503 => {
                let again = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                tokio::time::sleep(Duration::from_secs(again)).await;
            }
            Err(cause) => panic!("no session at {at}: {cause}"),
        }
    }
}

/// Comes in, and as soon as it is let in joins and says so much in one breath, whatever is answered
/// meanwhile; before that no client may say anything. All answers but
/// that to the join, in the order in which they came, each with the number of what it answers; and
/// the notice with which the server sent it away, if it did.
pub(super) async fn says_at_once(
    at: SocketAddr,
    name: &str,
    room: Name,
    count: usize,
) -> (Vec<(usize, Value)>, Option<Value>) {
    let (mut sink, mut stream) = opens_socket(at).await.split();
    let auth = json!({ "name": name });
    sink.send(Message::text(format!("40/chat,{auth}"))).await.unwrap();
    let mut is_in = false;
    while !is_in {
        let frame = patiently("to be let in", stream.next()).await;
        let frame = frame.unwrap_or_else(|| panic!("{name}: ended before it was let in")).unwrap();
        is_in = frame.to_text().is_ok_and(|text| text.starts_with("40/chat,"));
    }
    let speaks = async {
        let join = json!(["room:join", { "room": room, "limit": 1 }]);
        sink.feed(Message::text(format!("42/chat,0{join}"))).await.unwrap();
        for n in 1..=count {
            let payload = json!({ "room": room, "mid": new_mid(), "text": format!("{name} {n}") });
            let frame = format!("42/chat,{n}{}", json!(["message:send", payload]));
            if sink.feed(Message::text(frame)).await.is_err() {
                // Whoever hears says why.
                return sink;
            }
        }
        sink.flush().await.ok();
        sink
    };
    let hears = async {
        let (mut answers, mut dismissal) = (Vec::new(), None);
        while answers.len() < count {
            let Some(Ok(frame)) = patiently("an answer", stream.next()).await else {
                let is_told = dismissal.is_some();
                assert!(is_told, "{name}: ended after {} answers, without a word", answers.len());
                break;
            };
            let text = frame.to_text().unwrap_or_default();
            match answer(text) {
                Some((0, joined)) => assert_eq!(joined["ok"], true, "{joined}"),
                Some(said) => answers.push(said),
                None => dismissal = dismissal.or_else(|| notice(text)),
            }
        }
        (answers, dismissal)
    };
    let (_sink, answers_and_end) = tokio::join!(speaks, hears);
    answers_and_end
}

/// What a frame answers, if it does.
fn answer(frame: &str) -> Option<(usize, Value)> {
    let rest = frame.strip_prefix("43/chat,")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, payload) = rest.split_at(digits);
    let mut payload: Vec<Value> = serde_json::from_str(payload).ok()?;
    Some((number.parse().ok()?, payload.pop()?))
}

/// What a notice says, if a frame is one.
fn notice(frame: &str) -> Option<Value> {
    let event: Vec<Value> = serde_json::from_str(frame.strip_prefix("42/chat,")?).ok()?;
    let [name, said] = event.try_into().ok()?;
    (name == "system:notice").then_some(said)
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
        let answer = patiently("the answer to a probe", socket.next()).await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), "3probe");
        Self { _polling: polling, _socket: socket }
    }
}
