//! `hubbub load`: against nodes of ours, and against a server that loses, doubles, swaps and stalls.
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use hubbub::{
    auth::jwt::{Minted, mint},
    clock,
    config::auth::Algorithm,
};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Alone, Cluster, Process, Settings, beside, eventually};

/// A run that has been started.
struct Run {
    process: Process,
    folder: TempDir,
}

/// What it came to.
struct Ended {
    code: Option<i32>,
    said: String,
    json: Value,
}

impl Run {
    fn start(servers: &[SocketAddr], options: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let urls = servers.iter().map(|address| format!("http://{address}"));
        let json = folder.path().join("run.json").display().to_string();
        let html = folder.path().join("run.html").display().to_string();
        let files = ["--json".to_owned(), json, "--html".to_owned(), html];
        let options = options.split_whitespace().map(ToOwned::to_owned);
        let words = std::iter::once("load".to_owned()).chain(urls).chain(files).chain(options);
        Self { process: Process::hubbub(words), folder }
    }

    async fn ends(self) -> Ended {
        let code = self.process.ended().await.code();
        let json = std::fs::read(self.folder.path().join("run.json")).unwrap_or_default();
        Ended {
            code,
            said: self.process.said_until_the_end().await.join("\n"),
            json: serde_json::from_slice(&json).unwrap_or_default(),
        }
    }

    fn page(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("run.html")).unwrap_or_default()
    }
}

impl Ended {
    /// One of the values that can be expected.
    fn value(&self, name: &str) -> u64 {
        let value = self.json["values"][name].as_f64();
        let value =
            value.unwrap_or_else(|| panic!("{name} is not in {}\n{}", self.json, self.said));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let value = value as u64;
        value
    }

    fn count(&self, name: &str) -> u64 {
        self.json[name].as_u64().unwrap_or_else(|| panic!("{name}: {}\n{}", self.json, self.said))
    }

    fn kept_everything(&self) {
        assert_eq!(self.code, Some(0), "{}\n{}", self.said, self.json);
        for name in ["lost", "doubled", "reordered", "missed", "disagreed", "errors"] {
            assert_eq!(self.value(name), 0, "{name}: {}\n{}", self.said, self.json);
        }
        assert!(self.count("sent") > 0 && self.count("acked") <= self.count("sent"));
    }
}

#[tokio::test]
async fn nodes_of_ours_keep_everything_also_for_who_polls_and_who_leaves_and_comes_back() {
    let nodes = Cluster::start().await;
    let servers = nodes.each_ref().map(|node| node.address());
    let options = "--connections 24 --rooms 2 --rate 60 --duration 3s --warmup 500ms --ramp 200 \
                   --polling 0.3 --churn 0.2 --away 200ms --expect lost=0 --expect doubled=0";

    let ended = Run::start(&servers, options).ends().await;

    ended.kept_everything();
    assert!(ended.value("resumed") > 0 && ended.count("caught_up") > 0, "{}", ended.json);
    let heard = ended.count("delivered") + ended.count("caught_up");
    assert_eq!(heard, 12 * ended.count("acked"), "each of a room's 12 members heard each message");
}

#[tokio::test]
async fn workers_in_several_processes_add_up_to_one_run() {
    let node = Alone::forgetful(Settings::default()).await;
    let pid = node.process().id();
    let options = format!(
        "--connections 12 --rooms 3 --rate 60 --duration 1s --warmup 200ms --processes 3 \
         --pid {pid} --expect cpu_per_delivery>0"
    );

    let ended = Run::start(&[node.address()], &options).ends().await;

    ended.kept_everything();
    assert_eq!(ended.count("delivered"), 4 * ended.count("sent"));
    assert_eq!(ended.json["costs"]["processes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_node_used_is_read_from_its_metrics() {
    let node = Alone::forgetful(Settings::default()).await;
    let options = format!(
        "--connections 6 --rate 60 --duration 1s --warmup 200ms \
         --metrics http://{}/metrics",
        node.internal()
    );

    let ended = Run::start(&[node.address()], &options).ends().await;

    ended.kept_everything();
    let used = &ended.json["costs"]["processes"][0];
    assert!(used["memory"].as_u64().unwrap() > 1 << 20, "{used}");
}

#[tokio::test]
async fn who_reads_slowly_is_counted_apart_and_loses_nothing() {
    let node = Alone::forgetful(Settings::default()).await;
    // Each is sent some 20,000 bytes a second.
    let options = "--connections 12 --rate 20 --bytes 1000 --duration 2s --warmup 200ms \
                   --slow 0.34 --slow-rate 4000";

    let ended = Run::start(&[node.address()], options).ends().await;

    ended.kept_everything();
    let heard = ended.count("delivered") + ended.count("caught_up");
    assert_eq!(heard, 12 * ended.count("acked"), "in the end everybody has everything");
    // A third of the members took a third of it in time, and the rest of it afterwards.
    let in_time = ended.value("deliveries/s") * 2;
    assert!(in_time + 100 < ended.count("delivered"), "{in_time} in time: {}", ended.json);
}

#[tokio::test]
async fn where_tokens_are_asked_for_each_connection_brings_one() {
    let folder = TempDir::new().unwrap();
    let (secret, tokens) = (folder.path().join("secret"), folder.path().join("tokens"));
    let key = b"a secret that nobody guesses in this test";
    std::fs::write(&secret, key).unwrap();
    let settings = Settings::default()
        .with("auth.mode", "jwt")
        .with("auth.jwt_algorithm", Algorithm::HS256)
        .with("auth.jwt_key_file", secret.display());
    let node = Alone::forgetful(settings).await;
    let minted = ["ada", "bob"].map(|sub| {
        let iat = clock::now_ms() / 1_000;
        let claims = Minted {
            iss: "hubbub".to_owned(),
            aud: "hubbub".to_owned(),
            sub: sub.to_owned(),
            iat,
            exp: iat + 600,
            jti: clock::random_text(),
            name: None,
            role: None,
        };
        mint(&claims, Algorithm::HS256, key).unwrap()
    });
    std::fs::write(&tokens, minted.join("\n\n")).unwrap();
    let options = "--connections 6 --rate 60 --duration 1s --warmup 200ms";

    let with = format!("{options} --tokens {}", tokens.display());
    Run::start(&[node.address()], &with).ends().await.kept_everything();
    let without = Run::start(&[node.address()], options).ends().await;

    assert_eq!(without.code, Some(2), "{}", without.said);
}

#[tokio::test]
async fn tutorials_are_spoken_too() {
    let node = Alone::forgetful(Settings::default()).await;
    let options = "--preset classic --connections 8 --rate 40 --duration 1s --warmup 200ms";

    let ended = Run::start(&[node.address()], options).ends().await;

    ended.kept_everything();
    assert_eq!(ended.count("delivered"), 8 * ended.count("sent"));
}

#[tokio::test]
async fn a_closed_loop_sends_the_next_when_one_is_answered() {
    let node = Alone::forgetful(Settings::default().unlimited()).await;
    let options = "--connections 4 --closed 2 --duration 500ms --warmup 100ms";

    let ended = Run::start(&[node.address()], options).ends().await;

    ended.kept_everything();
    assert!(ended.count("sent") > 2, "{}", ended.json);
}

#[tokio::test]
async fn what_a_server_loses_doubles_and_swaps_is_found_and_is_not_as_expected() {
    let server = faulty(|number, packet| match number {
        // The one is lost, the other held back until the next has gone.
        3 | 7 => vec![],
        5 => vec![packet.clone(), packet],
        8 => vec![packet, "7".to_owned()],
        _ => vec![packet],
    })
    .await;
    let options = "--preset generic --connections 1 --rate 50 --duration 1s --warmup 0s \
                   --drain 300ms --expect lost=0 --expect doubled<2 --expect reordered=0";

    let ended = Run::start(&[server], options).ends().await;

    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let found = ["lost", "doubled", "reordered"].map(|name| ended.value(name));
    assert_eq!(found, [1, 1, 1], "{}", ended.json);
    assert!(ended.said.contains("not as expected: lost=0: it is 1"), "{}", ended.said);
    assert!(ended.said.contains("not as expected: reordered=0: it is 1"), "{}", ended.said);
    assert!(!ended.said.contains("doubled<2"), "{}", ended.said);
}

#[tokio::test]
async fn who_stalls_is_charged_for_everything_that_was_due_meanwhile() {
    let mut held = Vec::new();
    // Nothing is answered until the 40th of 50 has come.
    let server = faulty(move |number, packet| {
        held.push(packet);
        if number < 40 { vec![] } else { std::mem::take(&mut held) }
    })
    .await;
    let options = "--preset generic --connections 1 --rate 50 --duration 1s --warmup 0s";

    let ended = Run::start(&[server], options).ends().await;

    assert_eq!(ended.value("lost"), 0, "{}", ended.json);
    // The first waited for 39 times 20 ms, the one in the middle for about 15 times.
    assert!(ended.value("max") >= 700_000, "{}", ended.json);
    assert!(ended.value("p50") >= 200_000, "{}", ended.json);
}

#[tokio::test]
async fn an_interrupted_run_ends_early_with_its_results() {
    let node = Alone::forgetful(Settings::default()).await;
    let run = Run::start(&[node.address()], "--connections 4 --rate 50 --duration 10m");
    eventually("it measures", || async {
        run.process.said().iter().any(|line| line.contains("measuring")).then_some(())
    })
    .await;

    run.process.signal(Signal::INT);

    eventually("the page is written", || async {
        run.page().contains("ended early").then_some(())
    })
    .await;
    let ended = run.ends().await;
    ended.kept_everything();
    assert_eq!(ended.json["ended_early"], true);
}

#[tokio::test]
async fn what_cannot_be_run_says_why_and_what_to_do() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let node = Alone::forgetful(Settings::default().with("classic.enabled", "false")).await;
    for (server, options, says) in [
        (nobody, "", "cannot be reached: refused: nobody listens there"),
        (nobody, "--connections 2 --rooms 3", "3 rooms need at least as many connections"),
        (nobody, "--preset classic --rooms 3", "all are in one"),
        (nobody, "--connections 3000000 --rooms 1", "file descriptors are needed"),
        (nobody, "--expect p98<1ms", "nothing is called p98"),
        (nobody, "--auth {token}", "say --tokens FILE"),
        (nobody, "--tokens nowhere.txt", "nowhere.txt cannot be read"),
        (node.address(), "--preset classic --connect-timeout 500ms -c 2", "no connection got in"),
    ] {
        let ended = Run::start(&[server], options).ends().await;

        assert_eq!(ended.code, Some(2), "{options}: {}", ended.said);
        assert!(ended.said.contains(says), "{options}: {}", ended.said);
    }
}

/// A Socket.IO server for one connection, which tells what `tell` makes of each message it is sent,
/// by its number from 1 on. A packet that is only a number is that message's own.
async fn faulty(mut tell: impl FnMut(usize, String) -> Vec<String> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    beside(async move {
        loop {
            // Whoever only looks whether somebody listens says nothing.
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { continue };
            socket
                .send(Message::text(r#"0{"sid":"x","pingInterval":9,"pingTimeout":9}"#))
                .await
                .ok();
            let mut all = Vec::new();
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                if text.starts_with("40") {
                    socket.send(Message::text(r#"40{"sid":"y"}"#)).await.ok();
                } else if text.starts_with("42") {
                    all.push(text.to_string());
                    for packet in tell(all.len(), text.to_string()) {
                        let earlier = packet.parse::<usize>().ok().map(|at| all[at - 1].clone());
                        socket.send(Message::text(earlier.unwrap_or(packet))).await.ok();
                    }
                }
            }
        }
    });
    address
}
