//! More than anybody can take who does not read: whoever stands in its way is stalled.
use super::{Arrival, Node, User, new_mid};

/// More than all kernel buffers between a node and somebody who does not read.
const BATCHES: usize = 28;
const AT_A_TIME: usize = 25;

/// Somebody who is in the lobby and has stopped reading: a closed laptop, with the TCP window shut.
pub(crate) async fn stalled(node: &Node) -> User {
    let user = Arrival::of("stalled").on_a_narrow_link().at(node).await;
    user.join("lobby").await;
    user.reads_at(0);
    user
}

/// Says more than fits into any buffer, as fast as it is taken.
pub(crate) async fn flood(by: &User) {
    flood_heard_by(by, &[]).await;
}

/// The same, no faster than these hear it, each all of it in order: on a busy machine who reads
/// would else be as slow as who does not.
pub(crate) async fn flood_heard_by(by: &User, hearers: &[&User]) {
    for _ in 0..BATCHES {
        some_of_the_flood(by, hearers).await;
    }
}

/// A part of it, about 400 KiB; how many messages it was.
pub(crate) async fn some_of_the_flood(by: &User, hearers: &[&User]) -> usize {
    // Four bytes each, so that there is much to send and little to store.
    let text = "\u{1f4ac}".repeat(3_900);
    let said: Vec<u64> =
        (0..AT_A_TIME).map(|_| by.begin("message:send", by.message(&new_mid(), &text))).collect();
    let mut last = 0;
    for id in said {
        let ack = by.answer_to(id).await;
        assert_eq!(ack["ok"], true);
        last = ack["seq"].as_u64().unwrap();
    }
    for hearer in hearers {
        for seq in last - AT_A_TIME as u64 + 1..=last {
            assert_eq!(hearer.hears().await.seq, seq);
        }
    }
    AT_A_TIME
}
