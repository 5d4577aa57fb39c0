//! How a node goes: people are told, nothing hangs, and what is wrong is said in one line.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rstest::rstest;
use rustix::process::Signal;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::harness::{
    Alone, Arrival, Cluster, Node, PATIENCE, Process, Redis, Settings, Stage, Transport, User,
    eventually, flood, heavy, many_descriptors, new_mid, stalled,
};

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_there_when_a_node_goes_is_told_and_sent_away(#[case] stage: Stage) {
    let [here, ..] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = Arrival::of("bob").by(Transport::Polling).at(&here).await;
    bob.join("lobby").await;

    here.signal(Signal::TERM);

    for user in [&ada, &bob] {
        let notice = user.next("system:notice").await;
        assert_eq!((&notice["code"], &notice["reconnect"]), (&"draining".into(), &true.into()));
        assert!(notice["after_ms"].is_u64(), "{notice}");
        let why = user.closed().await;
        // A disconnect packet would keep stock clients from coming back.
        assert_ne!(why, "a disconnect packet");
    }
    here.ends_well().await;
}

#[tokio::test]
async fn what_was_being_said_when_a_node_went_is_answered_and_kept() {
    let [here, there, _] = Cluster::start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let said: Vec<u64> = (0..200)
        .map(|n| ada.begin("message:send", ada.message(&new_mid(), &n.to_string())))
        .collect();
    ada.answer_to(said[0]).await;

    here.stop().await;

    ada.closed().await;
    let answers = said[1..].iter().filter_map(|id| ada.answer_if_here(*id));
    let acked = 1 + answers.filter(|ack| ack["ok"] == true).count();
    let kept = bob.reads_all("lobby").await;
    assert!(kept.len() >= acked, "{} kept of {acked} acked", kept.len());
    // Who was sent away may come back unnoticed, for a while.
    eventually("only bob is there", || async {
        (bob.sees_in("lobby").await == [bob.id()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_is_told_its_own_time_and_sent_away_then() {
    const HERE: usize = 100;
    // In any second a tenth of them at most.
    let spread = Duration::from_secs(12);
    let settings = Settings::default().unlimited().with("drain.spread", "12s");
    let node = Alone::forgetful(settings).await;
    let come = |n: usize| {
        let transport =
            if n.is_multiple_of(10) { Transport::Polling } else { Transport::WebSocket };
        Arrival::of(&format!("guest {n}")).by(transport).at(&node)
    };
    let users = join_all((0..HERE).map(come)).await;
    join_all(users.iter().map(|user| user.join("lobby"))).await;

    let began = Instant::now();
    node.signal(Signal::TERM);
    let stays = async |user: &User| {
        let notice = user.next("system:notice").await;
        assert_eq!((&notice["code"], &notice["reconnect"]), (&"draining".into(), &true.into()));
        let told = Duration::from_millis(notice["after_ms"].as_u64().unwrap());
        let why = user.closed_within(spread + PATIENCE).await;
        assert_ne!(why, "a disconnect packet");
        (told, began.elapsed())
    };
    let stayed = join_all(users.iter().map(stays)).await;

    for (told, stayed) in &stayed {
        // Never sooner than it was told; later only as far as this machine is busy.
        assert!(
            told <= stayed && *stayed < *told + PATIENCE,
            "told {told:?}, and it was {stayed:?}"
        );
    }
    let in_order_of_coming: Vec<Duration> = stayed.into_iter().map(|(told, _)| told).collect();
    let mut told = in_order_of_coming.clone();
    told.sort();
    assert_ne!(told, in_order_of_coming);
    assert!(*told.last().unwrap() <= spread, "{told:?}");
    let second = Duration::from_secs(1);
    let within_a_second = |from: usize| {
        told.iter().filter(|t| (told[from]..told[from] + second).contains(*t)).count()
    };
    let most = (0..HERE).map(within_a_second).max().unwrap();
    assert!(most <= HERE / 10, "{most} within a second: {told:?}");
    node.ends_well().await;
}

#[tokio::test]
async fn until_its_time_has_come_a_connection_is_as_good_as_ever() {
    let node = Alone::forgetful(Settings::default().with("drain.spread", "3s")).await;
    let come = async |n: usize| node.join(&format!("guest {n}"), "lobby").await;
    let users = join_all((0..12).map(come)).await;

    node.signal(Signal::TERM);
    let mut told = Vec::new();
    for user in &users {
        told.push((user.next("system:notice").await["after_ms"].as_u64().unwrap(), user));
    }
    let (_, last) = told.into_iter().max_by_key(|(after, _)| *after).unwrap();

    last.say("still here").await;
    assert_eq!(last.hears_texts(1).await, ["still here"]);
    assert!(last.sees_in("lobby").await.contains(&last.id().to_owned()));
    node.ends_well().await;
}

#[rstest]
#[case::by_websocket(Transport::WebSocket)]
#[case::by_polling(Transport::Polling)]
#[tokio::test]
async fn what_was_begun_when_a_node_goes_is_finished_and_answered_first(
    #[case] transport: Transport,
) {
    let redis = Arc::new(Redis::start().await);
    // Nothing else is written meanwhile.
    let settings = Settings::default()
        .with("presence.lease", "10m")
        .with("presence.renew", "4m")
        .with("presence.reap", "4m")
        .with("presence.assert", "1h");
    let [node] = Cluster::start_on(redis.clone(), settings).await;
    let ada = Arrival::of("ada").by(transport).at(&node).await;
    ada.join("lobby").await;
    ada.say("before").await;
    let come = async |n: usize| node.join(&format!("idle {n}"), "lobby").await;
    let idle = join_all((0..5).map(come)).await;

    redis.run("CLIENT PAUSE 60000 WRITE").await;
    let begun = ada.begin("message:send", ada.message(&new_mid(), "under way"));
    eventually("the append is under way", || async {
        redis.run("INFO clients").await.filter(|info| info.contains("blocked_clients:1"))
    })
    .await;
    node.signal(Signal::TERM);
    ada.next("system:notice").await;
    // By then ada's time has come too.
    join_all(idle.iter().map(User::closed)).await;
    redis.run("CLIENT UNPAUSE").await;

    assert_eq!(ada.answer_to(begun).await["ok"], true);
    ada.closed().await;
    node.ends_well().await;
}

#[tokio::test]
async fn fifty_who_do_not_read_hold_nobody_up() {
    let _turn = heavy().await;
    many_descriptors();
    let settings = Settings::default()
        .unlimited()
        .with("limits.unsent_bytes", "100MiB")
        .with("limits.unsent_age", "10m")
        .with("drain.spread", "2s");
    let node = Alone::forgetful(settings).await;
    let stalled = join_all((0..45).map(|_| stalled(&node))).await;
    let polling = join_all((0..5).map(|n| stalled_poll(&node, n))).await;
    let ada = node.join("ada", "lobby").await;
    flood(&ada).await;

    let told = Instant::now();
    node.stop().await;

    assert!(told.elapsed() < Duration::from_secs(12), "ended after {:?}", told.elapsed());
    assert!(stalled.iter().all(User::is_connected), "somebody was not stalled");
    drop(polling);
}

#[tokio::test]
async fn a_node_ends_by_its_deadline_also_when_its_store_hangs() {
    let redis = Arc::new(Redis::start().await);
    let settings =
        Settings::default().with("drain.spread", "100ms").with("drain.deadline", "1500ms");
    let [node] = Cluster::start_on(redis.clone(), settings).await;
    let ada = node.join("ada", "lobby").await;
    let bob = Arrival::of("bob").by(Transport::Polling).at(&node).await;
    bob.join("lobby").await;

    redis.hangs();
    ada.begin("message:send", ada.message(&new_mid(), "into the void"));
    let told = Instant::now();
    node.stop().await;
    let took = told.elapsed();
    redis.goes_on();

    // The deadline, a last second for the runtime, and what a busy machine needs.
    assert!(took < Duration::from_secs(5), "ended after {took:?}");
}

/// Somebody who asks by long-polling for what there is, and takes nothing of the answer.
async fn stalled_poll(node: &Node, n: usize) -> TcpStream {
    let user = Arrival::of(&format!("poller {n}")).by(Transport::Polling).at(node).await;
    user.join("lobby").await;
    let sid = user.engine_sid().await;
    // Another connection, so that the user's own poll is not in the way.
    user.drop_connection().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut stream = socket.connect(node.address()).await.unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: n\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_person_at_the_terminal_does_not_wait() {
    let settings = Settings::default()
        .with("drain.balancer_lag", "5m")
        .with("drain.spread", "5m")
        .with("drain.deadline", "15m");
    let node = Alone::start_with(settings).await;
    let ada = node.join("ada", "lobby").await;

    node.signal(Signal::INT);

    node.ends_well().await;
    ada.closed().await;
}

/// Runs it with these arguments until it ends: its exit code and what it said.
async fn run(settings: Settings) -> (Option<i32>, Vec<String>) {
    let process = Process::node(&settings);
    let status = process.ended().await;
    (status.code(), process.said_until_the_end().await)
}

#[rstest]
#[case::unknown("rooms.colour", "blue", "rooms.colour")]
#[case::unreadable("presence.lease", "soon", "presence.lease")]
#[case::out_of_bounds("engine.max_event", "1B", "engine.max_event")]
#[case::contradicting("presence.renew", "9s", "presence.renew")]
#[tokio::test]
async fn a_wrong_setting_ends_the_process_with_one_line(
    #[case] key: &str,
    #[case] value: &str,
    #[case] named: &str,
) {
    let (code, said) = run(Settings::default().with(key, value)).await;

    assert_eq!(code, Some(2), "{said:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("hubbub: ") && said[0].contains(named), "{said:?}");
}

#[tokio::test]
async fn a_second_node_on_the_same_file_says_so_and_ends() {
    let first = Alone::start().await;

    let (code, said) = run(Settings::default().with("store.url", first.store_url())).await;

    assert_eq!(code, Some(1), "{said:?}");
    let last = said.last().unwrap();
    assert!(last.starts_with("hubbub: ") && last.contains("hubbub.redb"), "{said:?}");
    assert_eq!(first.readyz().await, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_ends_the_process() {
    let node = Alone::forgetful(Settings::default()).await;

    let (code, said) = run(Settings::default().with("server.listen", node.address())).await;

    assert_eq!(code, Some(1), "{said:?}");
    assert!(said.last().unwrap().contains("server.listen"), "{said:?}");
}
