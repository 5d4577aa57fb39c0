//! The guard of the hot path: allocations for each delivery, against a figure stored here. Time
//! would say more, and something else on every machine.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    alloc::System,
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
};

use hubbub::{config, lifecycle::Lifecycle, telemetry::Telemetry};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a delivery to one of [`MEMBERS`] members takes today, its share of the message's own way
/// (decoding, the log, the ack) included. A change that makes it less lowers this.
const STORED: f64 = 29.0;
/// Timers, metrics, and how many entries happen to be handed out together.
const TOLERANCE: f64 = 0.15;
const MEMBERS: u64 = 100;
const RATE: u64 = 100;
const SHORT: u64 = 1;
const LONG: u64 = 4;

#[test]
fn a_delivery_takes_no_more_allocations_than_it_did() {
    let [public, internal] = [free_port(), free_port()];
    // It runs until the test's process ends.
    let node = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(hubbub::app::run(
            Arc::new(settings(public, internal)),
            Telemetry::without_logs().unwrap(),
            Lifecycle::default(),
        ))
    });
    // The client is another process, whose allocations are not counted. Connecting costs the same
    // in a short and a long run; what the long one takes more is for its deliveries.
    load(public, SHORT);
    let [short, long] = [SHORT, LONG].map(|seconds| {
        let before = ALLOCATOR.stats();
        let delivered = load(public, seconds);
        let since = ALLOCATOR.stats() - before;
        (since.allocations + since.reallocations, delivered)
    });
    assert!(!node.is_finished(), "the node runs");

    #[expect(clippy::cast_precision_loss, reason = "far fewer than that")]
    let each = (long.0 - short.0) as f64 / (long.1 - short.1) as f64;
    println!("{each:.3} allocations for each delivery; stored: {STORED}");
    assert!(
        each <= STORED * (1.0 + TOLERANCE),
        "{each:.3} instead of {STORED}: the path is longer"
    );
    assert!(each >= STORED * 0.8, "{each:.3} instead of {STORED}: well done; store the new figure");
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn settings(public: SocketAddr, internal: SocketAddr) -> config::Config {
    let set = [
        "store.url=memory:".to_owned(),
        format!("server.listen={public}"),
        format!("internal.listen={internal}"),
        "server.session_rate=100000".to_owned(),
        "server.session_burst=100000".to_owned(),
    ];
    let arguments = config::Arguments { set: set.to_vec(), ..Default::default() };
    config::load(&arguments, std::iter::empty::<(String, String)>()).unwrap().config
}

/// How many deliveries arrived. The tester finds the node by itself once it listens.
fn load(public: SocketAddr, seconds: u64) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .args(["load", &format!("http://{public}"), "--json", "-", "--warmup", "0s"])
        .args(["--connections", &MEMBERS.to_string(), "--rate", &RATE.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--ramp", "1000", "--wait", "30s"])
        .args(["--expect", "lost=0", "--expect", "errors=0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let delivered = json["delivered"].as_u64().unwrap();
    assert!(delivered >= MEMBERS * RATE * seconds * 9 / 10, "{delivered}: {said}");
    delivered
}
