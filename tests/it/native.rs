//! `/chat` as its users know it, on one node alone and on three: said here, heard there.
use rstest::rstest;
use serde_json::json;

use crate::harness::{Arrival, Stage};

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn what_is_said_on_one_node_is_heard_on_all_in_order(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start().await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let cyd = yonder.join("cyd", "lobby").await;

    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(ada.say(text).await);
    }

    for user in [&ada, &bob, &cyd] {
        for (sent, text) in sent.iter().zip(["one", "two", "three"]) {
            let heard = user.hears().await;
            assert_eq!((heard.text.as_str(), heard.user.name.as_str()), (text, "ada"));
            assert_eq!((heard.epoch, heard.seq), (sent.epoch.clone(), sent.seq));
            assert_eq!((heard.mid, heard.ts), (sent.mid.clone(), sent.ts));
        }
    }
    assert_eq!(sent.iter().map(|sent| sent.seq).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_session_brings_the_same_user_back() {
    let [here, there, _] = Stage::Cluster.start().await;
    let ada = here.welcome("ada").await;

    let again = Arrival::of("ada").back_as(ada.session()).at(&there).await;

    assert_eq!(again.id(), ada.id());
    assert_ne!(again.ready()["connection"], ada.ready()["connection"]);
    again.granted("system:ping", json!({})).await;
}
