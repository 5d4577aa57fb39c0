//! A real `socket.io-client` in a process of its own, as one of the swarm.
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc;

use super::member::{Order, Status};
use crate::{common::eventually_within, records::Name, run::Notes};

/// How long a program may take to end once it is told to.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Program {
    child: Ended,
    pub(super) file: PathBuf,
}

/// Killed with the run.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What it is to do.
pub(super) struct Part {
    pub(super) name: Name,
    pub(super) at: SocketAddr,
    pub(super) rooms: Vec<Name>,
    pub(super) a_second: f64,
    pub(super) seed: u32,
}

impl Program {
    pub(super) fn start(part: &Part, notes: &Notes, status: Arc<Mutex<Status>>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = root.join("tests/clients/node_modules/sio48");
        assert!(
            library.exists(),
            "{} is missing: `npm ci --prefix tests/clients`",
            library.display()
        );
        let Part { name, at, rooms, a_second, seed } = part;
        let file = notes.folder().join(format!("{name}.jsonl"));
        let part = json!({
            "name": name,
            "url": format!("http://{at}"),
            "rooms": rooms,
            "aSecond": a_second,
            "seed": seed,
            // Larger than a number of JavaScript can be.
            "began": notes.clock.began_ns().to_string(),
            "file": file,
        });
        let mut child = Command::new("node")
            .arg(root.join("tests/faults/swarm/stock.mjs"))
            .arg(part.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("node cannot be started: {error}"));
        let said = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if let Ok(now) = serde_json::from_str(&line) {
                    *status.lock() = now;
                }
            }
        });
        Self { child: Ended(child), file }
    }

    /// Does what it is told until it is closed.
    pub(super) async fn live(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut ears = self.child.0.stdin.take().unwrap();
        loop {
            let told = match orders.recv().await {
                Some(Order::Talk(true)) => "talk",
                Some(Order::Talk(false)) => "silence",
                Some(Order::Close) | None => break,
                // Not something a program can be told from outside.
                Some(_) => continue,
            };
            writeln!(ears, "{told}").expect("the program listens");
        }
        writeln!(ears, "close").expect("the program listens");
        let child = &mut self.child.0;
        let status = eventually_within(ENDS_WITHIN, "the program ends", || {
            let status = child.try_wait().unwrap();
            async move { status }
        })
        .await;
        assert!(status.success(), "the program ended with {status:?}");
    }
}
