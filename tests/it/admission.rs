//! New sessions at the door: so many and no more, told when to come back, and let in when they do.
use futures_util::future::join_all;
use rstest::rstest;
use tokio_tungstenite::{connect_async, tungstenite};

use crate::harness::{
    Alone, Answer, Arrival, Cluster, Http, Node, Redis, Settings, Transport, beside, eventually,
    patiently,
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const REFUSED: &str = "hubbub_handshake_refused_total";

/// A page of another origin asks for a session.
async fn knock(node: &Node) -> Answer {
    let mut http = Http::connect(node.address()).await.unwrap();
    http.get_from("https://elsewhere.example", POLLING).await.unwrap()
}

/// What a 503 says: come back, soon, and so that the page can read it.
fn says_come_back(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"), "{answer:?}");
}

/// The status with which a WebSocket is refused.
async fn knock_by_websocket(node: &Node) -> u16 {
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", node.address());
    match patiently("an answer", connect_async(url)).await {
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[rstest]
#[case::who_polls(Transport::Polling)]
#[case::who_has_a_websocket(Transport::WebSocket)]
#[tokio::test]
async fn too_many_at_once_are_told_to_come_back_and_who_is_here_does_not_notice(
    #[case] transport: Transport,
) {
    let settings =
        Settings::default().with("server.session_rate", 1).with("server.session_burst", 5);
    let node = Alone::forgetful(settings).await;
    let ada = Arrival::of("ada").by(transport).at(&node).await;
    ada.join("lobby").await;

    // More than the bucket gains meanwhile, whatever machine this is.
    let answers = join_all((0..200).map(|_| knock(&node))).await;
    let by_websocket = knock_by_websocket(&node).await;
    for n in 0..20 {
        ada.say(&n.to_string()).await;
    }

    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refused.len() > 100, "{} of 200 were refused", refused.len());
    for answer in &refused {
        says_come_back(answer);
    }
    let seconds = |answer: &&Answer| answer.header("retry-after").unwrap().to_owned();
    let told: std::collections::HashSet<String> = refused.iter().map(seconds).collect();
    assert!(told.len() > 1, "all come back together: {told:?}");
    assert_eq!(by_websocket, 503);
    let counted = node.metric_of(REFUSED, "reason=\"admission\"").await;
    assert_eq!(counted, i64::try_from(refused.len()).unwrap() + 1);
    assert_eq!(ada.hears_texts(20).await.len(), 20);
}

#[tokio::test]
async fn all_who_come_back_are_let_in() {
    let settings =
        Settings::default().with("server.session_rate", 20).with("server.session_burst", 10);
    let node = Alone::forgetful(settings).await;
    let come = |n: usize| {
        let node = node.clone();
        beside(async move {
            eventually("a place", || async {
                let answer = knock(&node).await;
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                (answer.status == 200).then_some(())
            })
            .await;
            n
        })
    };

    let let_in = join_all((0..60).map(come)).await;

    assert!(let_in.into_iter().map(Result::unwrap).eq(0..60));
    assert!(node.metric_of(REFUSED, "reason=\"admission\"").await > 0);
}

#[rstest]
#[case::who_polled(Transport::Polling)]
#[case::who_had_a_websocket(Transport::WebSocket)]
#[tokio::test]
async fn a_full_node_takes_one_more_when_one_has_gone(#[case] transport: Transport) {
    let node = Alone::forgetful(Settings::default().with("server.max_sessions", 2)).await;
    let ada = Arrival::of("ada").by(transport).at(&node).await;
    let bob = node.join("bob", "lobby").await;

    let refused = knock(&node).await;
    let by_websocket = knock_by_websocket(&node).await;
    ada.bye().await;

    says_come_back(&refused);
    assert_eq!(by_websocket, 503);
    assert_eq!(node.metric_of(REFUSED, "reason=\"full\"").await, 2);
    eventually("ada's place is free", || async {
        (knock(&node).await.status == 200).then_some(())
    })
    .await;
    bob.say("and I stay").await;
}

#[rstest]
#[case::by_polling(true)]
#[case::by_websocket(false)]
#[tokio::test]
async fn sessions_that_enter_nowhere_have_a_place_only_for_a_while(#[case] by_polling: bool) {
    let settings =
        Settings::default().with("server.max_sessions", 1).with("engine.connect_timeout", "300ms");
    let node = Alone::forgetful(settings).await;
    // Held open where it is one.
    let _socket = if by_polling {
        assert_eq!(knock(&node).await.status, 200);
        None
    } else {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", node.address());
        Some(patiently("a WebSocket", connect_async(url)).await.unwrap())
    };
    says_come_back(&knock(&node).await);

    eventually("the place is free", || async { (knock(&node).await.status == 200).then_some(()) })
        .await;
}

#[tokio::test]
async fn requests_that_begin_no_session_are_answered_by_what_is_wrong_with_them() {
    let node = Alone::forgetful(Settings::default().with("server.max_sessions", 1)).await;
    let _ada = node.welcome("ada").await;
    let mut http = Http::connect(node.address()).await.unwrap();

    let unknown = http.get(&format!("{POLLING}&sid=AAAAAAAAAAAAAAHs")).await.unwrap();
    let garbled = http.get(&format!("{POLLING}&sid=garbage")).await.unwrap();
    let bad_method = http.post(POLLING, "40").await.unwrap();

    for (answer, code) in [(unknown, 1), (garbled, 1), (bad_method, 2)] {
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.starts_with(&format!("{{\"code\":{code},")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_node_that_waits_for_its_store_says_when_to_come_back() {
    let redis = std::sync::Arc::new(Redis::not_yet());
    let node = Cluster::start_early(redis, Settings::default()).await;

    says_come_back(&knock(&node).await);

    assert_eq!(node.metric_of(REFUSED, "reason=\"starting\"").await, 1);
}
