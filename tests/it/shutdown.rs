//! How a node goes: people are told, nothing hangs, and what is wrong is said in one line.
use std::time::{Duration, Instant};

use rstest::rstest;
use rustix::process::Signal;

use crate::harness::{
    Alone, Arrival, Cluster, Node, Process, Settings, Stage, Transport, User, eventually, heavy,
    new_mid,
};

/// "At once", on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);
/// More than all kernel buffers between a node and somebody who does not read.
const FLOOD: usize = 700;
const AT_A_TIME: usize = 25;

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
async fn somebody_who_does_not_read_holds_nobody_up() {
    let _turn = heavy().await;
    let settings = Settings::default().unlimited().with("limits.unsent_bytes", "100MiB");
    let node = Alone::forgetful(settings).await;
    let _stalled = stalled(&node).await;
    let ada = node.join("ada", "lobby").await;
    flood(&ada).await;

    let told = Instant::now();
    node.stop().await;

    assert!(told.elapsed() < Duration::from_secs(10), "ended after {:?}", told.elapsed());
}

#[rstest]
#[case::for_too_many_bytes("limits.unsent_bytes", "1MiB")]
#[case::for_too_long("limits.unsent_age", "2s")]
#[tokio::test]
async fn who_does_not_read_is_sent_away_and_nobody_else_notices(
    #[case] limit: &str,
    #[case] value: &str,
) {
    let _turn = heavy().await;
    let settings = Settings::default()
        .unlimited()
        .with("limits.unsent_bytes", "100MiB")
        .with("limits.unsent_age", "10m")
        .with(limit, value);
    let node = Alone::forgetful(settings).await;
    let stalled = stalled(&node).await;
    let bob = node.join("bob", "lobby").await;
    let ada = node.join("ada", "lobby").await;

    flood_heard_by(&ada, &[&ada, &bob]).await;

    eventually("the slow consumer is counted", || async {
        (node.metric("hubbub_slow_closed_total").await > 0).then_some(())
    })
    .await;
    assert_eq!(node.metric("hubbub_slow_closed_total").await, 1);
    eventually("it has left", || async { (bob.sees_in("lobby").await.len() == 2).then_some(()) })
        .await;
    stalled.reads_again();
    stalled.closed().await;
    assert!(ada.is_connected() && bob.is_connected());
}

/// Somebody who is in the lobby and has stopped reading: a closed laptop, with the TCP window shut.
async fn stalled(node: &Node) -> User {
    let user = Arrival::of("stalled").on_a_narrow_link().at(node).await;
    user.join("lobby").await;
    user.reads_at(0);
    user
}

/// Says more than fits into any buffer, as fast as it is taken.
async fn flood(by: &User) {
    flood_heard_by(by, &[]).await;
}

/// The same, no faster than these hear it, each all of it in order: on a busy machine who reads
/// would else be as slow as who does not.
async fn flood_heard_by(by: &User, hearers: &[&User]) {
    // Four bytes each, so that there is much to send and little to store.
    let text = "\u{1f4ac}".repeat(3_900);
    for batch in 0..FLOOD / AT_A_TIME {
        let said: Vec<u64> = (0..AT_A_TIME)
            .map(|_| by.begin("message:send", by.message(&new_mid(), &text)))
            .collect();
        for id in said {
            assert_eq!(by.answer_to(id).await["ok"], true);
        }
        for hearer in hearers {
            for n in 1..=AT_A_TIME {
                assert_eq!(hearer.hears().await.seq, (batch * AT_A_TIME + n) as u64);
            }
        }
    }
}

#[tokio::test]
async fn a_person_at_the_terminal_does_not_wait() {
    let settings = Settings::default().with("drain.balancer_lag", "5s").with("drain.spread", "10s");
    let node = Alone::start_with(settings).await;
    let ada = node.join("ada", "lobby").await;

    let told = Instant::now();
    node.signal(Signal::INT);

    node.ends_well().await;
    assert!(told.elapsed() < AT_ONCE, "ended after {:?}", told.elapsed());
    ada.closed().await;
}

/// Runs it with these arguments until it ends: its exit code and what it said.
async fn run(settings: Settings) -> (Option<i32>, Vec<String>) {
    let process = Process::hubbub(settings.as_arguments());
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
