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

/// What one delivery more takes at most. Frames that are written straight to the stream take none;
/// through the library each takes seven.
const MOST: f64 = 0.5;
/// Members of the room, in a small one and in a large one.
const FEW: u64 = 20;
const MANY: u64 = 220;

#[test]
fn one_member_more_takes_no_allocation_more() {
    let [public, internal] = [free_port(), free_port()];
    // It runs until the test's process ends.
    let node = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(hubbub::app::run(
            Arc::new(settings(public, internal)),
            "node".into(),
            Telemetry::local().unwrap(),
            Lifecycle::default(),
        ))
    });
    load_for(public, FEW, 1);
    let [few, many] = [FEW, MANY].map(|members| each_message_takes(public, members));
    assert!(!node.is_finished(), "the node runs");

    #[expect(clippy::cast_precision_loss, reason = "far fewer than that")]
    let each = (many - few) / (MANY - FEW) as f64;
    println!(
        "{few:.1} allocations a message for {FEW}, {many:.1} for {MANY}: {each:.3} a delivery"
    );
    assert!(each <= MOST, "{each:.3} allocations for one delivery more; at most {MOST}");
}

/// Allocations for each message to so many members. The client is another process, whose own are
/// not counted; what connecting takes is the same in a short and a long run.
#[expect(clippy::cast_precision_loss, reason = "far fewer than that")]
fn each_message_takes(public: SocketAddr, members: u64) -> f64 {
    let [short, long] = [1, 4].map(|seconds| {
        let before = ALLOCATOR.stats();
        let messages = load_for(public, members, seconds);
        let since = ALLOCATOR.stats() - before;
        (since.allocations + since.reallocations, messages)
    });
    (long.0 as f64 - short.0 as f64) / (long.1 as f64 - short.1 as f64)
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

/// How many messages were said, one at a time: so each is a commit of its own, and what a message
/// takes beside its deliveries is always the same. The tester finds the node once it listens.
fn load_for(public: SocketAddr, members: u64, seconds: u64) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .args(["load", &format!("http://{public}"), "--json", "-", "--warmup", "0s"])
        .args(["--connections", &members.to_string(), "--closed", "1"])
        .args(["--duration", &format!("{seconds}s"), "--ramp", "1000", "--wait", "30s"])
        .args(["--expect", "lost=0", "--expect", "errors=0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    json["sent"].as_u64().unwrap()
}
