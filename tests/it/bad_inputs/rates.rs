//! Rows of the table of bad inputs about too much: too many, too fast, too deep.
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    Alone, Settings, Stage, User, eventually_within, heavy, new_mid, patiently, texts,
};

/// Processor time that one bad event may cost; an unoptimised build is allowed several times that.
const COSTS_AT_MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 25 } else { 5 });

/// Few enough a second that a burst is still one on a busy machine.
fn slow() -> Settings {
    Settings::default().with("limits.message_rate", 1).with("limits.message_burst", 20)
}

/// How long somebody may be refused and go on, before being sent away.
const SENT_AWAY_AFTER: Duration = Duration::from_secs(10);

/// Sends many without waiting: their mids and answers, in order; to the end, if it comes before.
async fn burst(user: &User, count: usize) -> Vec<(String, Value)> {
    let send = |_| {
        let mid = new_mid();
        (user.begin("message:send", user.message(&mid, &mid)), mid)
    };
    let begun: Vec<_> = (0..count).map(send).collect();
    let mut answers = Vec::new();
    for (id, mid) in begun {
        let Some(answer) = user.answer_before_the_end(id).await else { break };
        answers.push((mid, answer));
    }
    answers
}

/// Sends it again when it was told to, and not sooner.
async fn retries_as_told(user: &User, mid: &str, refusal: &Value) {
    let mut answer = refusal.clone();
    while answer["ok"] != true {
        let wait = answer["error"]["retry_after_ms"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        answer = user.ask("message:send", user.message(mid, mid)).await;
    }
    assert_eq!(answer["dup"], false);
}

fn accepted(answers: &[(String, Value)]) -> Vec<&str> {
    answers.iter().filter(|(_, a)| a["ok"] == true).map(|(mid, _)| mid.as_str()).collect()
}

async fn history(user: &User) -> Vec<String> {
    texts(&user.granted("message:history", json!({ "room": "lobby", "limit": 200 })).await)
}

// B110
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_sends_too_fast_is_told_when_to_send_again_and_loses_nothing(#[case] stage: Stage) {
    let [here, ..] = stage.start_with(slow()).await;
    let ada = here.join("ada", "lobby").await;

    let answers = burst(&ada, 28).await;

    assert_eq!(answers.len(), 28);
    let (first, rest) = answers.split_at(20);
    assert_eq!(accepted(first).len(), 20);
    let refused: Vec<_> = rest.iter().filter(|(_, answer)| answer["ok"] != true).collect();
    assert!(!refused.is_empty(), "{rest:?}");
    for (_, answer) in &refused {
        let (error, wait) = (&answer["error"], answer["error"]["retry_after_ms"].as_u64().unwrap());
        assert_eq!((&error["code"], &error["retryable"]), (&json!("rate_limited"), &json!(true)));
        assert!((1..=1_000).contains(&wait), "{answer}");
    }
    assert_eq!(history(&ada).await, accepted(&answers));
    for (mid, answer) in &refused {
        patiently("a retry is taken", retries_as_told(&ada, mid, answer)).await;
    }
    let mut said = history(&ada).await;
    let mut meant: Vec<_> = answers.into_iter().map(|(mid, _)| mid).collect();
    said.sort();
    meant.sort();
    assert_eq!(said, meant);
}

// B111
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_thousand_at_once_are_all_answered_and_those_accepted_are_in_order(#[case] stage: Stage) {
    let [here, there, _] = stage.start_with(slow()).await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;

    let began = Instant::now();
    let answers = burst(&ada, 1_000).await;

    let is_late = began.elapsed() > SENT_AWAY_AFTER;
    assert!(answers.len() == 1_000 || is_late, "{} were answered", answers.len());
    let accepted = accepted(&answers);
    assert!((20..200).contains(&accepted.len()), "{}", accepted.len());
    for (_, answer) in answers.iter().filter(|(_, answer)| answer["ok"] != true) {
        assert_eq!(answer["error"]["code"], "rate_limited");
    }
    assert_eq!(bob.hears_texts(accepted.len()).await, accepted);
    let kept = history(&bob).await;
    assert_eq!(kept[..accepted.len()], accepted);
    assert!(kept.len() == accepted.len() || is_late, "{} of {}", accepted.len(), kept.len());
}

// B111
#[tokio::test]
async fn who_will_not_slow_down_is_told_why_and_sent_away() {
    let node = Alone::forgetful(slow()).await;
    let ada = node.join("ada", "lobby").await;
    let bob = node.join("bob", "lobby").await;

    eventually_within(Duration::from_mins(1), "ada is sent away", || async {
        (0..10).for_each(|_| {
            ada.begin("message:send", ada.message(&new_mid(), "again"));
        });
        (!ada.is_connected()).then_some(())
    })
    .await;

    let notices = ada.so_far("system:notice");
    assert_eq!(notices[0]["code"], "rate_limited", "{notices:?}");
    bob.say("and I stay").await;
}

// B126
#[tokio::test]
async fn the_sixth_name_within_a_minute_is_too_much() {
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;
    for n in 1..=5 {
        ada.granted("session:rename", json!({ "name": format!("ada {n}") })).await;
    }

    let refused = ada.refused("session:rename", json!({ "name": "ada 6" })).await;

    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("rate_limited"), &json!(true)));
    assert!((1..=12_000).contains(&refused["retry_after_ms"].as_u64().unwrap()), "{refused}");
    ada.say("still the fifth").await;
    assert_eq!(ada.hears().await.user.name, "ada 5");
}

// B128
#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn typing_a_hundred_times_is_told_once(#[case] stage: Stage) {
    let [here, there, _] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;

    let began = Instant::now();
    let begun: Vec<u64> =
        (0..100).map(|_| ada.begin("typing:start", json!({ "room": "lobby" }))).collect();
    for id in begun {
        assert_eq!(ada.answer_to(id).await["ok"], true);
    }
    // Once in three seconds at most, and all this takes no three seconds where there is a turn.
    let at_most = 1 + began.elapsed().as_secs() / 3;
    ada.granted("typing:stop", json!({ "room": "lobby" })).await;

    let mut told = 0;
    loop {
        let typing = bob.next("typing").await;
        if typing["users"] == json!([]) {
            break;
        }
        assert_eq!(typing["users"][0]["id"], ada.id());
        told += 1;
    }
    assert!((1..=at_most).contains(&told), "told {told} times, at most {at_most} were due");
}

// B83 and B138
#[tokio::test]
async fn deep_and_padded_events_cost_little() {
    const TIMES: u32 = 40;
    let turn = heavy().await;
    let node = Alone::forgetful(Settings::default()).await;
    let ada = node.join("ada", "lobby").await;
    let process = node.process();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let padding = ",\"padding\":0".repeat(5_000);
    let inputs = [
        deep.clone(),
        format!("{{\"room\":{deep}}}"),
        format!("{{\"room\":\"lobby\"{padding}}}"),
        format!("{{\"room\":\"lobby\",\"padding\":\"{}\"}}", "p".repeat(60_000)),
    ];

    for input in &inputs {
        let before = process.worked();
        for n in 0..TIMES {
            let id = 1_000_000 + u64::from(n);
            ada.raw_text(&format!("42/chat,{id}[\"room:leave\",{input}]"));
            assert_eq!(ada.answer_to(id).await["error"]["code"], "bad_request");
        }
        let cost = process.worked().saturating_sub(before);
        assert!(cost <= TIMES * COSTS_AT_MOST, "{TIMES} cost {cost:?}: {}", &input[..40]);
    }
    drop(turn);
}
