//! Rows of the table of bad inputs that are requests: sent as they stand, each on a stream of its own.
use std::{net::SocketAddr, time::Duration};

use rstest::rstest;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Vitals, distinct, table::requests};
use crate::harness::{Alone, Http, Settings, Stage, patiently};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
/// How long a head may take here.
const HEADER_TIMEOUT: &str = "1s";

/// The first answer, or nothing.
async fn answer(to: SocketAddr, request: &str) -> String {
    let (mut read, mut write) = TcpStream::connect(to).await.unwrap().into_split();
    // What is refused early is not read to its end.
    let send = async {
        write.write_all(request.as_bytes()).await.ok();
    };
    let hear = async {
        let (mut heard, mut piece) = (Vec::new(), [0; 4_096]);
        while !is_whole(&heard) {
            match read.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(some) => heard.extend(&piece[..some]),
            }
        }
        String::from_utf8_lossy(&heard).into_owned()
    };
    let ((), heard) =
        patiently("an answer, or the end", futures_util::future::join(send, hear)).await;
    heard
}

fn is_whole(heard: &[u8]) -> bool {
    let text = String::from_utf8_lossy(heard);
    let Some((fields, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = fields.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn bad_requests_are_answered_as_the_table_says_and_disturb_nobody(#[case] stage: Stage) {
    let settings = Settings::default().with("server.header_timeout", HEADER_TIMEOUT);
    let nodes = stage.start_with(settings).await;
    let healthy = nodes[0].join("healthy", "lobby").await;
    // What a first request makes is not theirs.
    healthy.say("before").await;
    for node in &nodes {
        answer(node.address(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    let vitals: Vec<Vitals> = distinct(&nodes).iter().map(Vitals::of).collect();

    let mut wrong = Vec::new();
    for (n, row) in requests().into_iter().enumerate() {
        let heard = answer(nodes[n % 3].address(), &row.bytes()).await;
        let status = heard.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = heard.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let code = serde_json::from_str::<Value>(body).unwrap_or_default()["code"].as_u64();
        let is_right = status == row.answer && (row.code.is_none() || row.code == code);
        if !is_right || heard.contains("root:") {
            let (id, why) = (row.id, row.why.unwrap_or_default());
            wrong.push(format!(
                "{id}: expected {} {:?} ({why}), came {heard:.300}",
                row.answer, row.code
            ));
        }
        healthy.granted("system:ping", json!({})).await;
    }

    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
    healthy.say("not disturbed").await;
    for vitals in &vitals {
        vitals.are_as_before().await;
    }
}

/// T14: a body that does not come.
#[tokio::test]
async fn a_body_that_does_not_come_to_its_end_is_not_waited_for() {
    let node = Alone::forgetful(Settings::default()).await;
    let healthy = node.join("healthy", "lobby").await;
    let opened = Http::connect(node.address()).await.unwrap().get(POLLING).await.unwrap();
    let sid = opened.body.split('"').nth(3).unwrap();

    let request =
        format!("POST {POLLING}&sid={sid} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n40/ch");
    let began = std::time::Instant::now();
    let heard = answer(node.address(), &request).await;

    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    healthy.say("not disturbed").await;
}
