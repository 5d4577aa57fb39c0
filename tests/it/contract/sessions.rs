//! What vouches for guests: one key for all nodes.
use rstest::rstest;

use super::backend::{Backend, Backend::*};

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn the_first_key_is_everyones(#[case] backend: Backend) {
    let opened = backend.open().await;
    let sessions = &opened.node.sessions;
    assert_eq!(sessions.guest_key("first").await.unwrap(), "first");
    assert_eq!(sessions.guest_key("second").await.unwrap(), "first");
    if let Some(other) = opened.another().await {
        assert_eq!(other.sessions.guest_key("third").await.unwrap(), "first");
    }
}
