//! Order: of one sender's words, of everybody's words for everybody, and of first words.
use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::harness::{
    Arrival, Cluster, Redis, Settings, Stage, Stopwatch, Transport, User, beside, heavy,
    many_descriptors, new_mid,
};

#[rstest]
#[case::by_websocket(Transport::WebSocket, 20_000)]
#[case::by_polling(Transport::Polling, 2_000)]
#[tokio::test]
async fn what_one_sender_says_arrives_in_the_order_it_was_said(
    #[case] transport: Transport,
    #[case] count: usize,
) {
    let _turn = heavy().await;
    let [here, there, _] = Cluster::start_with(Settings::default().unlimited()).await;
    let ada = Arrival::of("ada").by(transport).at(&here).await;
    let bob = Arrival::of("bob").by(transport).at(&there).await;
    ada.join("lobby").await;
    bob.join("lobby").await;

    for n in 0..count {
        ada.begin("message:send", ada.message(&new_mid(), &n.to_string()));
    }

    for n in 0..count {
        let heard = bob.hears().await;
        assert_eq!((heard.text, heard.seq), (n.to_string(), n as u64 + 1));
    }
}

#[tokio::test]
async fn who_is_made_to_wait_is_not_taken_for_dead() {
    let settings = Settings::default()
        .unlimited()
        .with("engine.ping_interval", "500ms")
        .with("engine.ping_timeout", "1s")
        .with("store.command_timeout", "1m");
    let [node] = Cluster::start_on(Arc::new(Redis::start().await), settings).await;
    let ada = node.join("ada", "lobby").await;

    // Nothing is done with what she says, so it is not read any further, and neither is her pong.
    node.redis().hangs();
    let said: Vec<u64> = (0..500)
        .map(|n| ada.begin("message:send", ada.message(&new_mid(), &n.to_string())))
        .collect();
    let watch = Stopwatch::start();
    // The first is given up after a while, and with it those who have waited behind it.
    let mut slowest = Duration::ZERO;
    for id in &said {
        assert_eq!(ada.answer_to(*id).await["error"]["code"], "unavailable");
        slowest = watch.elapsed();
    }
    node.redis().goes_on();

    assert!(slowest > Duration::from_millis(1_500), "her pong came in time, after {slowest:?}");
    ada.says_in_the_end("it was only Redis").await;
}

#[rstest]
#[case::alone(Stage::Alone, 10_000)]
#[case::cluster(Stage::Cluster, 1_000)]
#[tokio::test]
async fn thousands_who_speak_at_once_lose_no_first_word(
    #[case] stage: Stage,
    #[case] count: usize,
) {
    const AT_ONCE: usize = 100;
    let _turn = heavy().await;
    many_descriptors();
    let nodes = stage.start_with(Settings::default().unlimited()).await;
    let places = Arc::new(Semaphore::new(AT_ONCE));

    let come = |n: usize| {
        let address = nodes[n % 3].address();
        let places = places.clone();
        beside(async move {
            let _place = places.acquire().await.unwrap();
            let user = Arrival::of(&format!("guest {n}")).knock(address).await;
            user.is_let_in().await;
            // `session:ready` has not been waited for.
            let ping = user.begin("system:ping", json!({}));
            let join = user.begin("room:join", json!({ "room": format!("room-{}", n % 20) }));
            assert_eq!(user.answer_to(ping).await["ok"], true);
            // A node that has too much to do may say so: that is an answer too.
            let joined = user.answer_to(join).await;
            joined["ok"] == true || joined["error"]["code"] == "unavailable"
        })
    };
    let answered = join_all((0..count).map(come)).await;

    assert_eq!(answered.into_iter().filter(|answered| *answered.as_ref().unwrap()).count(), count);
}

#[tokio::test]
async fn everybody_hears_everybody_in_the_same_order() {
    const SAID_BY_EACH: usize = 50;
    let nodes = Cluster::start().await;
    let users: Vec<Arc<User>> = join_all((0..9).map(|n| {
        let node = &nodes[n % 3];
        async move { Arc::new(node.join(&format!("user {n}"), "lobby").await) }
    }))
    .await;

    let talk = |user: Arc<User>| {
        beside(async move {
            for n in 0..SAID_BY_EACH {
                user.say(&format!("{n}")).await;
            }
        })
    };
    let listen = |user: &Arc<User>| {
        let user = user.clone();
        async move {
            let mut heard = Vec::new();
            while heard.len() < 9 * SAID_BY_EACH {
                let message = user.hears().await;
                heard.push((message.seq, message.mid, message.user.id));
            }
            heard
        }
    };
    let talking = join_all(users.iter().cloned().map(talk));
    let (talked, heard) =
        futures_util::future::join(talking, join_all(users.iter().map(listen))).await;

    assert!(talked.into_iter().all(|talked| talked.is_ok()));
    assert!(heard.iter().all(|one| *one == heard[0]));
    assert!(heard[0].iter().map(|(seq, ..)| *seq).eq(1..=9 * SAID_BY_EACH as u64));
}
