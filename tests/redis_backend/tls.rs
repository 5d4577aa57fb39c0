//! TLS towards Redis: spoken with whom the configured certificates vouch for, and with nobody else.
use hubbub::{
    adapter::{Adapter, Topic},
    config::store::Store,
    store::log::Log,
};
use secrecy::SecretString;

use crate::{
    server::{Server, key_file},
    world::{Node, lobby, message, presence_config, store_config, until},
};

fn by_tls(server: &Server, ca: &str) -> Store {
    let tls_ca = if ca.is_empty() { String::new() } else { key_file(ca) };
    Store { url: SecretString::from(server.tls_url()), tls_ca, ..store_config(server) }
}

#[tokio::test]
async fn what_is_said_goes_and_comes_by_tls() {
    let server = Server::start_with_tls();
    let mut node = Node::with(&by_tls(&server, "ca.pem"), &presence_config()).await;
    let _in_lobby = node.adapter.listen(Topic::Room(lobby())).await.unwrap();

    node.store.append(&message(&lobby(), "hello")).await.unwrap();

    assert_eq!(node.hear_seq().await, 1);
}

#[tokio::test]
async fn a_redis_that_nobody_vouches_for_is_not_spoken_with_and_the_reason_is_told() {
    let server = Server::start_with_tls();
    // Neither the system's certificates nor its own vouch for it.
    for ca in ["", "redis.pem"] {
        let node = Node::begin(&by_tls(&server, ca), &presence_config());

        let says = || node.link.trouble().unwrap_or_default();
        until(|| async { says().contains("InvalidCertificate") }).await;
        assert!(!node.link.is_up());
    }
}

#[tokio::test]
async fn certificates_that_are_none_are_refused_at_the_start() {
    let server = Server::start_with_tls();
    for (file, says) in [
        ("nowhere.pem", "cannot be read"),
        ("redis.for-tests-only.pem", "no certificate is in"),
        ("../tls.rs", "no certificate is in"),
    ] {
        let store = by_tls(&server, file);
        let lifecycle = hubbub::lifecycle::Lifecycle::default();

        let refused = hubbub::redis::Link::connect(&store.url, &store, &lifecycle).err().unwrap();

        assert!(format!("{refused:#}").contains(says), "{file}: {refused:#}");
    }
}
