//! Slow consumers: who does not read is sent away and told why, and comes back to what was missed.
use std::{sync::Arc, time::Duration};

use rstest::rstest;

use crate::harness::{
    Alone, Arrival, Cluster, MessageNew, Node, PATIENCE, Settings, User, beside, eventually,
    eventually_within, flood_heard_by, heavy, messages, some_of_the_flood, stalled,
};

const CLOSED: &str = "hubbub_closed_total";
const SLOW: &str = "reason=\"slow_consumer\"";

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
    let has_left = || async { (bob.sees_in("lobby").await.len() == 2).then_some(()) };
    eventually_within(2 * PATIENCE, "it has left", has_left).await;
    stalled.reads_again();
    stalled.closed().await;
    assert!(ada.is_connected() && bob.is_connected());
}

/// Nothing is too fast, but somebody may be too slow.
fn as_shipped() -> Settings {
    Settings::default()
        .unlimited()
        .with("limits.unsent_bytes", "1MiB")
        .with("limits.unsent_age", "10s")
}

/// What somebody who reads slowly had heard when it was sent away, and its end.
struct SentAway {
    session: String,
    heard: Vec<MessageNew>,
}

/// Waits until a node has sent somebody away.
async fn sent_away(slow: &User, within: Duration) -> SentAway {
    slow.closed_within(within).await;
    let heard = slow.so_far("message:new").into_iter();
    let heard = heard.map(|message| serde_json::from_value(message).unwrap()).collect();
    SentAway { session: slow.session().to_owned(), heard }
}

impl SentAway {
    /// Comes back elsewhere, as a client does, and goes on where it was: everything it has then.
    async fn comes_back_to(mut self, node: &Node) -> (User, Vec<MessageNew>) {
        let back = Arrival::of("slow").back_as(&self.session).at(node).await;
        let since = self.heard.last().expect("it has heard something").cursor();
        let mut page = back.join_since("lobby", since).await;
        assert_eq!((&page["reset"], &page["truncated"]), (&false.into(), &false.into()));
        self.heard.extend(messages(&page));
        let mut has_more = page["has_more"] == true;
        while has_more {
            let after = self.heard.last().unwrap().seq;
            let ask = serde_json::json!({ "room": "lobby", "after": after, "limit": 200 });
            page = back.granted("message:history", ask).await;
            self.heard.extend(messages(&page));
            has_more = page["more_after"] == true;
        }
        (back, self.heard)
    }
}

fn is_all_of_it(heard: &[MessageNew], said: usize) {
    assert!(heard.iter().map(|message| message.seq).eq(1..=said as u64), "a hole, or one twice");
}

#[tokio::test]
async fn who_reads_200_bytes_a_second_is_closed_in_time_and_resumes_without_loss_or_doubling() {
    let _turn = heavy().await;
    let [here, there, _] = Cluster::start_with(as_shipped()).await;
    let slow = Arrival::of("slow").on_a_narrow_link().at(&here).await;
    slow.join("lobby").await;
    let ada = there.join("ada", "lobby").await;
    ada.say("the first").await;
    assert_eq!(slow.hears_texts(1).await, ["the first"]);
    // Heard, so that there is something to go on from.
    let first = ada.hears().await;

    slow.reads_at(200);
    let mut said = 1;
    let over_the_limit = async || here.metric_of(CLOSED, SLOW).await > 0;
    while !over_the_limit().await {
        said += some_of_the_flood(&ada, &[&ada]).await;
        assert!(said < 5_000, "nobody is too slow");
    }
    // Ten seconds after it was too much, its people see it go, and so does it.
    eventually("its connection is gone", || async {
        (here.metric("hubbub_sessions").await == 0).then_some(())
    })
    .await;
    let mut gone = sent_away(&slow, 2 * PATIENCE).await;
    gone.heard.insert(0, first);
    said += some_of_the_flood(&ada, &[&ada]).await;
    let (back, mut heard) = gone.comes_back_to(&there).await;
    ada.say("the last").await;
    heard.push(back.hears().await);

    is_all_of_it(&heard, said + 1);
    assert_eq!(here.metric("hubbub_slow_closed_total").await, 1);
}

#[tokio::test]
async fn who_reads_again_in_time_hears_why_it_was_sent_away() {
    let _turn = heavy().await;
    let node = Alone::forgetful(as_shipped()).await;
    let slow = Arc::new(node.join("slow", "lobby").await);
    let ada = node.join("ada", "lobby").await;

    slow.reads_at(0);
    // The moment it is too slow it does better.
    let (user, there) = (slow.clone(), node.clone());
    let reads_again = beside(async move {
        let is_too_slow = || async { (there.metric_of(CLOSED, SLOW).await > 0).then_some(()) };
        eventually_within(6 * PATIENCE, "it is too slow", is_too_slow).await;
        user.reads_again();
    });
    let mut said = 0;
    while !reads_again.is_finished() {
        said += some_of_the_flood(&ada, &[&ada]).await;
    }
    let notice = slow.next("system:notice").await;
    let gone = sent_away(&slow, PATIENCE).await;
    is_all_of_it(&gone.heard, gone.heard.len());
    let (back, mut heard) = gone.comes_back_to(&node).await;
    ada.say("the last").await;
    heard.push(back.hears().await);

    assert_eq!(
        notice,
        serde_json::json!({ "code": "slow_consumer", "reconnect": true, "after_ms": 0 })
    );
    is_all_of_it(&heard, said + 1);
}
