//! Frames of ours go between the library's on one stream: under everything at once, none is
//! broken, none overtakes, none is missing.
use std::sync::Arc;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;

use crate::harness::{Alone, Arrival, Node, Settings, Transport, User, heavy, new_mid};

const ROOM: &str = "torture";
const SPEAKERS: usize = 4;
const EACH: usize = 250;
/// Messages a speaker has under way at once.
const AT_ONCE: usize = 20;

/// From a byte to fifteen thousand, so that frames have headers of every length, and some are
/// larger than what a peer takes at once.
fn text(speaker: usize, n: usize) -> String {
    let length = [1, 3_800, 40, 3_700, 110, 3_600, 130, 3_500][(speaker + n) % 8];
    let letter = if length > 1_000 { "\u{1f4ac}" } else { "x" };
    format!("{speaker}.{n}.{}", letter.repeat(length))
}

/// Says all it has to, and asks something else between, each answered in its turn.
async fn speaks(user: &User, speaker: usize) {
    for some in (0..EACH).collect::<Vec<_>>().chunks(AT_ONCE) {
        let mut asked = Vec::new();
        for n in some {
            let message = user.message(&new_mid(), &text(speaker, *n));
            asked.push(user.begin("message:send", message));
            asked.push(user.begin("system:ping", json!({})));
        }
        for id in asked {
            assert_eq!(user.answer_to(id).await["ok"], true);
        }
    }
}

/// Hears every message of everybody, each speaker's in the order they were said. Meanwhile it knocks
/// at a namespace that does not exist, to which the library says no at great length.
async fn hears_all(user: &User) {
    let knock = format!("40/{},", "n".repeat(10_000));
    let mut next = [0; SPEAKERS];
    for seq in 1..=(SPEAKERS * EACH) as u64 {
        let heard = user.hears().await;
        assert_eq!(heard.seq, seq);
        let speaker: usize = heard.text.split('.').next().unwrap().parse().unwrap();
        assert_eq!(heard.text, text(speaker, next[speaker]));
        next[speaker] += 1;
        if seq.is_multiple_of(20) {
            user.raw_text(&knock);
        }
    }
    user.is_refused().await;
    assert_eq!(next, [EACH; SPEAKERS]);
}

async fn all_kinds(node: &Arc<Node>) -> Vec<User> {
    let mut users = Vec::new();
    for n in 0..4 {
        for transport in [Transport::WebSocket, Transport::Upgraded, Transport::Polling] {
            let arrival = Arrival::of(&format!("{transport:?} {n}")).by(transport);
            users.push(arrival.at(node).await);
        }
        for transport in [Transport::WebSocket, Transport::Upgraded] {
            let arrival = Arrival::of(&format!("slow {transport:?} {n}")).by(transport);
            let slow = arrival.on_a_narrow_link().at(node).await;
            slow.reads_at(1_000_000);
            users.push(slow);
        }
    }
    join_all(users.iter().map(|user| user.join(ROOM))).await;
    users
}

#[rstest]
#[case::each_by_itself("0s")]
#[case::gathered("5ms")]
#[tokio::test]
async fn nothing_is_broken_out_of_order_or_missing(#[case] gather: &str) {
    let _turn = heavy().await;
    let settings = Settings::default()
        .unlimited()
        .with("rooms.gather", gather)
        .with("engine.ping_interval", "200ms");
    let node = Alone::start_with(settings).await;
    let users = all_kinds(&node).await;

    let speakers = users.iter().step_by(users.len() / SPEAKERS).take(SPEAKERS);
    let all = async {
        tokio::join!(
            join_all(speakers.enumerate().map(|(n, user)| speaks(user, n))),
            join_all(users.iter().map(hears_all)),
        )
    };
    all.await;

    assert!(users.iter().all(User::is_connected));
}
