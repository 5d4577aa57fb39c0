//! What was acked survives: nodes killed, Redis killed, and Redis late.
use std::{sync::Arc, time::Duration};

use rstest::rstest;

use crate::harness::{
    Alone, Arrival, Cluster, Node, Redis, Sent, Settings, Stage, Stopwatch, User, eventually,
    new_mid, patiently,
};

/// Within this every send is answered, and acks come again after an outage.
const PROMISED: Duration = Duration::from_secs(3);
/// What it may cost to start on a file after a crash.
const OPENS_WITHIN: Duration = Duration::from_secs(2);
/// Longer than the longest pause between a node's tries would be, if it doubled each time.
const OUTAGE: Duration = Duration::from_secs(7);

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn what_was_said_is_there_after_every_node_was_killed(#[case] stage: Stage) {
    let nodes = stage.start().await;
    let ada = nodes[0].join("ada", "lobby").await;
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push((ada.say(text).await.seq, text.to_owned()));
    }
    let session = ada.session().to_owned();

    for node in &nodes {
        node.kill().await;
    }
    let [here, ..] = &nodes;
    here.start_again().await;

    let bob = here.join("bob", "lobby").await;
    let all = bob.reads_all("lobby").await;
    assert_eq!(all.into_iter().map(|m| (m.seq, m.text)).collect::<Vec<_>>(), sent);
    let back = Arrival::of("ada").back_as(&session).at(here).await;
    assert_eq!(back.id(), ada.id());
}

#[tokio::test]
async fn while_redis_is_away_clients_stay_and_are_told_and_afterwards_nothing_is_lost() {
    let [here, there, yonder] = Cluster::start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let cyd = yonder.join("cyd", "lobby").await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(ada.say(&format!("before {n}")).await);
    }

    here.redis().kill_once_written().await;
    let lost = new_mid();
    let away = Stopwatch::start();
    eventually("an outage long enough for nodes to have given up a few times", || async {
        answered_unavailable(&ada, &lost).await;
        (away.elapsed() > OUTAGE).then_some(())
    })
    .await;
    let dan = here.welcome("dan").await;
    for user in [&ada, &bob, &cyd, &dan] {
        assert_eq!(user.next("system:notice").await["code"], "degraded");
    }
    let probe = here.probe("/readyz").await.unwrap();
    assert!(probe.status == 200 && probe.body.contains("store: degraded"), "{}", probe.body);

    here.redis().restart().await;
    let back = Stopwatch::start();
    for (n, user) in [&ada, &bob, &cyd].into_iter().enumerate() {
        sent.push(user.says_in_the_end(&format!("after {n}")).await);
        assert!(back.elapsed() < PROMISED, "acks came again after {:?}", back.elapsed());
    }
    sent.push(ada.say_as(&lost, "said into the void").await);

    let mids: Vec<&String> = sent.iter().map(|sent| &sent.mid).collect();
    let all = bob.reads_all("lobby").await;
    assert_eq!(all.iter().map(|message| &message.mid).collect::<Vec<_>>(), mids);
    for user in [&ada, &bob, &cyd] {
        assert!(user.is_connected());
        assert_eq!(user.next("system:notice").await["code"], "restored");
        for sent in &sent {
            assert_eq!(user.hears().await.mid, sent.mid);
        }
    }
}

/// A send while there is no store: answered in time, and not in vain.
async fn answered_unavailable(user: &User, mid: &str) {
    let asked = Stopwatch::start();
    let error = user.refused("message:send", user.message(mid, "said into the void")).await;
    assert!(asked.elapsed() < PROMISED, "answered after {:?}", asked.elapsed());
    let known = ["unavailable", "rate_limited"];
    assert!(known.contains(&error["code"].as_str().unwrap()), "{error}");
    assert_eq!(error["retryable"], true, "{error}");
}

#[tokio::test]
async fn while_redis_hangs_every_send_is_answered_in_time_and_may_be_tried_again() {
    let [here, there, _] = Cluster::start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    ada.say("before").await;
    let mid = new_mid();

    here.redis().hangs();
    let asked = Stopwatch::start();
    let error = ada.refused("message:send", ada.message(&mid, "into the void")).await;
    let waited = asked.elapsed();
    here.redis().goes_on();
    let sent = eventually("an ack", || async {
        let ack = ada.ask("message:send", ada.message(&mid, "into the void")).await;
        serde_json::from_value::<Sent>(ack).ok()
    })
    .await;

    assert!(waited < PROMISED, "answered after {waited:?}");
    assert_eq!((&error["code"], &error["outcome"]), (&"unavailable".into(), &"unknown".into()));
    assert_eq!(sent.seq, 2);
    ada.says_in_the_end("after").await;
    assert_eq!(bob.hears_texts(3).await, ["before", "into the void", "after"]);
    assert!(ada.is_connected() && bob.is_connected());
}

#[tokio::test]
async fn while_redis_hangs_what_waits_behind_others_is_answered_in_time_too() {
    let [here, ..] = Cluster::start().await;
    let ada = here.join("ada", "lobby").await;
    ada.say("before").await;

    here.redis().hangs();
    let asked = Stopwatch::start();
    let said: Vec<u64> = (0..20)
        .map(|n| ada.begin("message:send", ada.message(&new_mid(), &n.to_string())))
        .collect();
    for id in said {
        let ack = ada.answer_to(id).await;
        assert_eq!(ack["error"]["code"], "unavailable", "{ack}");
    }
    let waited = asked.elapsed();
    here.redis().goes_on();

    assert!(waited < PROMISED, "the last was answered after {waited:?}");
    ada.says_in_the_end("after").await;
}

#[tokio::test]
async fn a_node_alone_killed_under_load_has_kept_what_it_acked() {
    // So many that none of them is the last, however late the kill comes.
    const SAID: usize = 20_000;
    let node = Alone::start_with(Settings::default().unlimited()).await;
    let ada = node.join("ada", "lobby").await;
    let said: Vec<(String, u64)> = (0..SAID)
        .map(|_| {
            let mid = new_mid();
            (mid.clone(), ada.begin("message:send", ada.message(&mid, "under load")))
        })
        .collect();
    ada.answer_to(said[500].1).await;

    node.kill().await;
    node.start_again().await;

    let cost = node.process().worked();
    assert!(cost < OPENS_WITHIN, "opening cost {cost:?}");
    ada.closed().await;
    let acked = |(mid, id): &(String, u64)| {
        (*id == said[500].1 || ada.answer_if_here(*id).is_some_and(|ack| ack["ok"] == true))
            .then(|| mid.clone())
    };
    let acked: Vec<String> = said.iter().filter_map(acked).collect();
    assert!((501..SAID).contains(&acked.len()), "{} were acked", acked.len());
    let bob = node.join("bob", "lobby").await;
    let kept: Vec<String> = bob.reads_all("lobby").await.into_iter().map(|m| m.mid).collect();
    // In order, each once; what was written and not yet acked may follow.
    assert_eq!(kept[..acked.len()], acked);
    assert!(said.iter().map(|(mid, _)| mid).take(kept.len()).eq(&kept));
}

#[tokio::test]
async fn a_node_that_was_there_before_redis_waits_for_it() {
    let redis = Arc::new(Redis::not_yet());
    let node = Cluster::start_early(redis.clone(), Settings::default()).await;

    let early = (livez(&node).await, node.readyz().await);
    eventually("what it waits for", || async {
        let said = node.process().said();
        said.iter().any(|line| line.contains("nobody listens at the host and port")).then_some(())
    })
    .await;
    redis.restart().await;
    node.is_ready().await;

    assert_eq!(early, (200, 503));
    let ada = node.join("ada", "lobby").await;
    ada.say("there you are").await;
    assert_eq!(ada.hears_texts(1).await, ["there you are"]);
}

async fn livez(node: &Node) -> u16 {
    patiently("an answer", node.probe("/livez")).await.unwrap().status
}

#[tokio::test]
async fn what_was_said_while_a_node_could_not_hear_is_delivered_without_a_reconnect() {
    let [here, there, _] = Cluster::start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    ada.say("before").await;

    // The subscriber's connection is cut, and with it what is published meanwhile.
    for n in 0..10 {
        here.redis().run("CLIENT KILL TYPE pubsub").await.unwrap();
        ada.says_in_the_end(&format!("{n}")).await;
    }
    ada.says_in_the_end("after").await;

    let heard = bob.hears_texts(12).await;
    let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(
        (heard[0].as_str(), &heard[1..11], heard[11].as_str()),
        ("before", &expected[..], "after")
    );
}
