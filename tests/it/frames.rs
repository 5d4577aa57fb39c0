//! WebSocket frames that no library would send: messages without an end, floods of frames that say
//! nothing, and words before the answer. Beside a healthy user, who must notice nothing.
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

use crate::harness::{Alone, Http, Node, Settings, User, eventually, patiently};

const BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Between two fragments of who wants to look alive.
const NOW_AND_THEN: Duration = Duration::from_millis(100);
/// How long a message may take here; and at least as long it does.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1);
/// What a flood may leave in memory, in kB.
const MORE_MEMORY: u64 = 4 * 1024;

/// A masked frame (its key is zero) with less than 126 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// A WebSocket on which any bytes can be sent.
struct Raw(WebSocketStream<TcpStream>);

/// How it ended.
#[derive(Debug, Default)]
struct End {
    /// What was said before, as it came.
    said: String,
    code: Option<CloseCode>,
}

impl Raw {
    async fn open(node: &Node) -> Self {
        let tcp = TcpStream::connect(node.address()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", node.address());
        let (socket, _) = client_async(url, tcp).await.unwrap();
        Self(socket)
    }

    /// One that has entered `/chat`, and the lobby.
    async fn enter(node: &Node) -> Self {
        let mut raw = Self::open(node).await;
        raw.0.send(Message::text("40/chat,")).await.unwrap();
        raw.hears("40/chat,").await;
        raw.0.send(Message::text("42/chat,1[\"room:join\",{\"room\":\"lobby\"}]")).await.unwrap();
        raw.hears("43/chat,1[").await;
        raw
    }

    /// Waits for a text that begins so; what it says.
    async fn hears(&mut self, begin: &str) -> String {
        patiently(begin, async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Text(text) if text.starts_with(begin) => return text.to_string(),
                    _ => {}
                }
            }
        })
        .await
    }

    /// `false`: it takes no more.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).await.is_ok()
    }

    /// Everything up to the end, sending these bytes again and again meanwhile.
    async fn ends_while_sending(&mut self, bytes: &[u8]) -> End {
        let mut end = End::default();
        let ended = async {
            loop {
                match tokio::time::timeout(NOW_AND_THEN, self.0.next()).await {
                    Err(_) => drop(self.send(bytes).await),
                    Ok(Some(Ok(Message::Close(frame)))) => end.code = frame.map(|frame| frame.code),
                    Ok(Some(Ok(message))) => end.said += &message.to_string(),
                    Ok(Some(Err(_)) | None) => return,
                }
            }
        };
        patiently("the end", ended).await;
        end
    }

    async fn ends(&mut self) -> End {
        self.ends_while_sending(&[]).await
    }
}

fn memory(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.process().id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn closed(node: &Node, reason: &str) -> i64 {
    node.metric_of("hubbub_closed_total", &format!("reason=\"{reason}\"")).await
}

async fn node() -> (Arc<Node>, User) {
    let timeout = format!("{}ms", MESSAGE_TIMEOUT.as_millis());
    let node = Alone::forgetful(Settings::default().with("engine.message_timeout", timeout)).await;
    let healthy = node.join("healthy", "lobby").await;
    (node, healthy)
}

// T20
#[rstest]
#[case::a_byte_now_and_then(&frame(BEGINS, b"4"), &frame(GOES_ON, b"2"))]
#[case::pings_between_its_fragments(&frame(BEGINS, b"4"), &frame(PING, b""))]
#[case::half_a_payload_and_silence(&frame(TEXT, b"42 and more")[..8], &[])]
#[case::half_a_header_and_silence(&[TEXT], &[])]
#[tokio::test]
async fn a_message_that_does_not_come_to_its_end_ends_its_connection(
    #[case] begin: &[u8],
    #[case] again: &[u8],
) {
    let (node, healthy) = node().await;
    let mut raw = Raw::enter(&node).await;

    let began = Instant::now();
    raw.send(begin).await;
    let end = raw.ends_while_sending(again).await;

    assert!(began.elapsed() >= MESSAGE_TIMEOUT, "{:?}", began.elapsed());
    assert!(end.said.contains("\"code\":\"unfinished\",\"reconnect\":true"), "{end:?}");
    assert_eq!(end.code, Some(CloseCode::Policy));
    assert_eq!(closed(&node, "unfinished").await, 1);
    healthy.say("not disturbed").await;
}

#[tokio::test]
async fn a_message_of_fragments_and_in_pieces_is_taken() {
    let (_node, mut raw) = {
        let (node, _) = node().await;
        let raw = Raw::enter(&node).await;
        (node, raw)
    };

    let text = "42/chat,2[\"system:ping\",{}]";
    for (n, byte) in text.bytes().enumerate() {
        raw.send(&frame(if n == 0 { BEGINS } else { GOES_ON }, &[byte])).await;
    }
    raw.send(&frame(PING, b"between")).await;
    let end = frame(ENDS, b"");
    let (begin, rest) = end.split_at(3);
    raw.send(begin).await;
    raw.send(rest).await;

    raw.hears("43/chat,2[{\"ok\":true").await;
}

// T20, T21, B51
#[rstest]
#[case::fragments_without_an_end(&frame(BEGINS, b"4"), &frame(GOES_ON, b"2"), 60_000)]
#[case::empty_fragments(&frame(BEGINS, b"4"), &frame(GOES_ON, b""), 60_000)]
#[case::pings(&[], &frame(PING, b""), 100_000)]
#[case::full_pings(&[], &frame(PING, &[b'x'; 125]), 100_000)]
#[case::pongs(&[], &frame(PONG, b""), 100_000)]
#[tokio::test]
async fn a_flood_of_frames_that_say_nothing_ends_its_connection(
    #[case] begin: &[u8],
    #[case] again: &[u8],
    #[case] times: usize,
) {
    let (node, healthy) = node().await;
    healthy.say("before").await;
    let mut raw = Raw::enter(&node).await;
    let before = memory(&node);

    raw.send(begin).await;
    let flood = again.repeat(1_000);
    for _ in 0..times / 1_000 {
        if !raw.send(&flood).await {
            break;
        }
    }
    raw.ends().await;

    eventually("it is gone", || async {
        (node.metric("hubbub_sessions").await == 1).then_some(())
    })
    .await;
    assert_eq!(closed(&node, "rate_limited").await, 1);
    let after = memory(&node);
    assert!(after <= before + MORE_MEMORY, "{before} kB, and {after} kB after it");
    healthy.say("not disturbed").await;
    let said = node.process().said().join("\n");
    assert!(!said.contains("panicked"), "{said}");
}

// B41, B42, B44, B45, B47, B48, B50, B56, B57, B59. The library closes without a code.
#[rstest]
#[case::reserved_bit_1(&[0xc1, 0x81, 0, 0, 0, 0, b'4'])]
#[case::reserved_bits_2_and_3(&[0xb1, 0x81, 0, 0, 0, 0, b'4'])]
#[case::not_masked(&[TEXT, 1, b'4'])]
#[case::no_utf_8(&frame(TEXT, b"4\xff\xfe"))]
#[case::goes_on_from_nothing(&frame(ENDS, b"4"))]
#[case::begins_again_before_its_end(&[frame(BEGINS, b"4"), frame(BEGINS, b"4")].concat())]
#[case::no_kind_of_frame(&frame(0x83, b"4"))]
#[case::no_kind_of_control_frame(&frame(0x8b, b"4"))]
#[case::a_ping_in_fragments(&frame(0x09, b"4"))]
#[case::a_long_ping(&[&[PING, 0xfe, 0, 126, 0, 0, 0, 0], &[0; 126][..]].concat())]
#[case::a_code_that_is_none(&frame(0x88, &[0x03, 0xe7]))]
#[case::half_a_code(&frame(0x88, &[0x03]))]
#[case::two_to_the_63(&[TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]
#[case::two_to_the_40(&[TEXT, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])]
#[case::seventeen_megabytes(&[TEXT, 0xff, 0, 0, 0, 0, 1, 16, 0, 0, 0, 0, 0, 0])]
#[case::more_than_an_event(&[TEXT, 0xff, 0, 0, 0, 0, 0, 3, 13, 64, 0, 0, 0, 0])]
#[case::bytes_nobody_announced(&frame(0x82, b"4"))]
#[case::a_probe_of_what_is_there(&frame(TEXT, b"2probe"))]
#[case::nothing_at_all(&frame(TEXT, b""))]
#[case::a_change_to_where_it_is(&frame(TEXT, b"5"))]
#[case::nothing_to_poll_for(&frame(TEXT, b"6"))]
#[tokio::test]
async fn a_frame_that_cannot_be_ends_its_connection_at_once(#[case] bytes: &[u8]) {
    let node = Alone::forgetful(Settings::default()).await;
    let healthy = node.join("healthy", "lobby").await;
    let mut raw = Raw::enter(&node).await;
    let before = memory(&node);

    raw.send(bytes).await;
    raw.ends().await;

    let after = memory(&node);
    assert!(after <= before + MORE_MEMORY, "{before} kB, and {after} kB after it");
    healthy.say("not disturbed").await;
    let said = node.process().said().join("\n");
    assert!(!said.contains("panicked"), "{said}");
}

// T18
#[tokio::test]
async fn no_compression_is_agreed_on() {
    let node = Alone::forgetful(Settings::default()).await;
    let http = Http::connect(node.address()).await.unwrap();
    let http = http.with("upgrade", "websocket").with("connection", "upgrade");
    let http = http.with("sec-websocket-version", "13");
    let http = http.with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut http =
        http.with("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");

    let answer = http.get("/socket.io/?EIO=4&transport=websocket").await.unwrap();

    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None));
}

#[tokio::test]
async fn who_floods_before_entering_a_namespace_is_cut_off() {
    let (node, healthy) = node().await;
    let mut raw = Raw::open(&node).await;

    raw.send(&frame(PING, b"").repeat(100)).await;

    raw.ends().await;
    assert_eq!(closed(&node, "rate_limited").await, 1);
    healthy.say("not disturbed").await;
}

#[tokio::test]
async fn a_client_that_pings_now_and_then_is_answered_and_stays() {
    let (node, _) = node().await;
    let mut raw = Raw::enter(&node).await;

    raw.send(&frame(PING, b"there?").repeat(15)).await;

    let mut pongs = 0;
    while pongs < 15 {
        if let Message::Pong(said) = patiently("a pong", raw.0.next()).await.unwrap().unwrap() {
            assert_eq!(&said[..], b"there?");
            pongs += 1;
        }
    }
    raw.0.send(Message::text("42/chat,2[\"system:ping\",{}]")).await.unwrap();
    raw.hears("43/chat,2[").await;
}

/// Where its frames begin cannot be known, so nothing could be counted.
#[tokio::test]
async fn who_speaks_before_the_handshake_is_answered_is_not_listened_to() {
    let (node, healthy) = node().await;
    let mut tcp = TcpStream::connect(node.address()).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\
         connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    tcp.write_all(&[request.as_bytes(), &frame(TEXT, b"40/chat,")].concat()).await.unwrap();

    let mut heard = Vec::new();
    patiently("the end", tcp.read_to_end(&mut heard)).await.ok();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(!heard.contains("session:ready"), "{heard}");
    assert_eq!(node.metric_of("hubbub_handshake_refused_total", "reason=\"early\"").await, 1);
    eventually("nothing is left of it", || async {
        (node.metric("hubbub_sessions").await == 1).then_some(())
    })
    .await;
    healthy.say("not disturbed").await;
}
