//! Tokens: who brings a good one comes in for as long as it lasts, and nobody else does.
use std::{fs, path::Path, process::Command, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use hubbub::{
    auth::jwt::{Minted, mint},
    clock,
    config::auth::Algorithm,
};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Alone, Arrival, Cluster, Node, Settings, Stage, Transport, User, eventually, patiently,
};

const SECRET: &[u8] = b"a secret that nobody guesses in this test";

fn keys(name: &str) -> String {
    format!("{}/tests/it/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn claims(sub: &str, lasts_s: u64) -> Minted {
    let iat = clock::now_ms() / 1_000;
    Minted {
        iss: "hubbub".to_owned(),
        aud: "hubbub".to_owned(),
        sub: sub.to_owned(),
        iat,
        exp: iat + lasts_s,
        jti: clock::random_text(),
        name: Some(sub.to_owned()),
        role: None,
    }
}

fn token(claims: &Minted) -> String {
    mint(claims, Algorithm::HS256, SECRET).unwrap()
}

fn token_of(sub: &str) -> String {
    token(&claims(sub, 3_600))
}

fn admins_token() -> String {
    token(&Minted { role: Some("admin".to_owned()), ..claims("chief", 3_600) })
}

fn by_secret(folder: &TempDir) -> Settings {
    let file = folder.path().join("secret");
    fs::write(&file, SECRET).unwrap();
    by_key(Algorithm::HS256, &file)
}

fn by_key(algorithm: Algorithm, file: &Path) -> Settings {
    Settings::default()
        .with("auth.mode", "jwt")
        .with("auth.jwt_algorithm", algorithm)
        .with("auth.jwt_key_file", file.display())
        .with("auth.jwt_leeway", "0s")
}

async fn comes(node: &Node, token: &str) -> Result<User, Value> {
    Arrival::of("somebody").with_token(token).try_at(node.address()).await
}

async fn is_refused(node: &Node, token: &str) {
    let refused = comes(node, token).await.err().unwrap_or_else(|| panic!("let in: {token}"));
    assert_eq!(refused["message"], "unauthorized", "{token}");
}

/// Any header and claims, signed with the secret.
fn forged(header: &Value, claims: &str) -> String {
    let signed = token_of("ada");
    let body = BASE64URL_NOPAD.encode(claims.as_bytes());
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    // Not its signature, but that comes last.
    format!("{header}.{body}.{}", signed.rsplit('.').next().unwrap())
}

/// The same claims as JSON, changed, and well signed.
fn changed(change: impl Fn(&mut Value)) -> String {
    let mut claims = serde_json::to_value(claims("ada", 3_600)).unwrap();
    change(&mut claims);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

#[tokio::test]
async fn a_good_token_is_taken_and_a_forged_one_is_not() {
    let folder = TempDir::new().unwrap();
    let node = Alone::forgetful(by_secret(&folder)).await;
    let now = clock::now_ms() / 1_000;
    let good = claims("ada", 3_600);

    let ada = comes(&node, &token(&good)).await.unwrap();
    assert_eq!((ada.id(), ada.name()), ("ada", "ada"));
    assert_eq!(ada.ready()["user"]["role"], "member");
    assert!(ada.ready()["session"].is_null(), "{}", ada.ready());
    assert_eq!(ada.ready()["expires_at"], good.exp * 1_000);
    let subject = changed(|claims| claims["sub"] = "auth0|ada lovelace".into());
    assert!(comes(&node, &subject).await.unwrap().id().starts_with("u_"));
    let of_a_guest = changed(|claims| claims["sub"] = "g_somebody".into());
    assert_ne!(comes(&node, &of_a_guest).await.unwrap().id(), "g_somebody");

    let body = serde_json::to_string(&good).unwrap();
    let public = fs::read(keys("rs256.pub.pem")).unwrap();
    let by_another = mint(&good, Algorithm::HS256, &public).unwrap();
    let other_algorithm = mint(&good, Algorithm::HS512, SECRET).unwrap();
    let key = fs::read(keys("rs256.for-tests-only.pem")).unwrap();
    let (head, rest) =
        token(&good).split_once('.').map(|(h, r)| (h.to_owned(), r.to_owned())).unwrap();
    let doubled = body.replacen('{', "{\"sub\":\"eve\",", 1);
    for bad in [
        String::new(),
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        by_another,
        other_algorithm,
        mint(&good, Algorithm::RS256, &key).unwrap(),
        forged(&json!({ "alg": "none" }), &body),
        forged(&json!({ "alg": "HS256" }), &body.replace("ada", "eve")),
        forged(&json!({ "alg": "HS256" }), &doubled),
        format!("{head}.{rest}x"),
        format!("{}.", token(&good).rsplit_once('.').unwrap().0),
        changed(|claims| claims["iss"] = "elsewhere".into()),
        changed(|claims| claims["aud"] = "hubbub-guest".into()),
        changed(|claims| claims["exp"] = (now - 5).into()),
        changed(|claims| claims["exp"] = (now + 3_600).to_string().into()),
        changed(|claims| claims["exp"] = (now + 40 * 86_400).into()),
        changed(|claims| claims["nbf"] = (now + 3_600).into()),
        changed(|claims| claims["sub"] = 7.into()),
        changed(|claims| claims["sub"] = "".into()),
        changed(|claims| claims["name"] = "\u{202e}nimda".into()),
        changed(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        changed(|claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        changed(|claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
        changed(|claims| claims["padding"] = "x".repeat(5_000).into()),
    ] {
        is_refused(&node, &bad).await;
    }
    let without = Arrival::of("ada").try_at(node.address()).await.err().unwrap();
    assert_eq!(without["message"], "unauthorized");
    assert_eq!(ada.refused("session:rename", json!({ "name": "eve" })).await["code"], "forbidden");
}

#[rstest]
#[case::rsa(Algorithm::RS256, "rs256")]
#[case::elliptic(Algorithm::ES256, "es256")]
#[case::edwards(Algorithm::EdDSA, "eddsa")]
#[tokio::test]
async fn keys_of_every_kind_are_read_and_hubbub_token_makes_what_they_take(
    #[case] algorithm: Algorithm,
    #[case] name: &str,
) {
    let node = Alone::forgetful(by_key(algorithm, keys(&format!("{name}.pub.pem")).as_ref())).await;

    let printed = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .env_clear()
        .args(["token", "--sub", "ada", "--name", "Ada", "--role", "moderator", "--expires", "5m"])
        .args(["--alg", &algorithm.to_string()])
        .args(["--key-file", &keys(&format!("{name}.for-tests-only.pem"))])
        .output()
        .unwrap();

    let token = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let ada = comes(&node, token.trim()).await.unwrap();
    assert_eq!((ada.name(), &ada.ready()["user"]["role"]), ("Ada", &json!("moderator")));
    is_refused(&node, &token_of("ada")).await;
}

/// A JWKS of Ed25519 keys, by name.
fn jwks(names: &[(&str, &str)]) -> String {
    let jwk = |(kid, file): &(&str, &str)| {
        let pem = fs::read_to_string(keys(file)).unwrap();
        let line = pem.lines().nth(1).unwrap();
        let der = data_encoding::BASE64.decode(line.as_bytes()).unwrap();
        let x = BASE64URL_NOPAD.encode(&der[der.len() - 32..]);
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x })
    };
    json!({ "keys": names.iter().map(jwk).collect::<Vec<_>>() }).to_string()
}

fn named(kid: &str, file: &str) -> String {
    let key = fs::read(keys(file)).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ed_pem(&key).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, &claims("ada", 3_600), &key).unwrap()
}

#[tokio::test]
async fn keys_change_while_the_node_runs_and_a_bad_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jwks.json");
    fs::write(&file, jwks(&[("one", "eddsa.pub.pem")])).unwrap();
    let node = Alone::forgetful(by_key(Algorithm::EdDSA, &file)).await;
    let (one, two) =
        (named("one", "eddsa.for-tests-only.pem"), named("two", "eddsa2.for-tests-only.pem"));
    comes(&node, &one).await.unwrap();
    is_refused(&node, &two).await;
    is_refused(&node, &named("one", "eddsa2.for-tests-only.pem")).await;
    is_refused(&node, &named("../one", "eddsa.for-tests-only.pem")).await;

    fs::write(&file, "{ nonsense").unwrap();
    eventually("the file is found bad", || async {
        node.process().said().iter().any(|line| line.contains("cannot be used")).then_some(())
    })
    .await;
    comes(&node, &one).await.unwrap();

    fs::write(&file, jwks(&[("two", "eddsa2.pub.pem")])).unwrap();
    eventually("the other key counts", || async { comes(&node, &two).await.ok() }).await;
    is_refused(&node, &one).await;
}

#[rstest]
#[case::by_websocket(Transport::WebSocket)]
#[case::by_polling(Transport::Polling)]
#[tokio::test]
async fn who_brings_another_token_in_time_stays_and_who_does_not_is_closed(
    #[case] transport: Transport,
) {
    let folder = TempDir::new().unwrap();
    let node = Alone::forgetful(by_secret(&folder)).await;
    let short = || token(&claims("ada", 4));
    let arrive = |token: String| Arrival::of("x").by(transport).with_token(&token).at(&node);
    let stays = arrive(short()).await;
    let goes = arrive(short()).await;
    stays.join("lobby").await;

    let told = stays.next("session:expiring").await;
    assert!(told["in_ms"].as_u64().unwrap() <= 4_000, "{told}");
    goes.next("session:expiring").await;
    for bad in [token_of("eve"), "nonsense".to_owned()] {
        let code = if bad == "nonsense" { "unauthorized" } else { "forbidden" };
        assert_eq!(stays.refused("session:refresh", json!({ "token": bad })).await["code"], code);
    }
    let ack = stays.granted("session:refresh", json!({ "token": token_of("ada") })).await;
    assert_eq!(ack["user"]["id"], "ada");

    let notice = goes.next("system:notice").await;
    assert_eq!((&notice["code"], &notice["reconnect"]), (&json!("expired"), &json!(false)));
    goes.closed().await;
    stays.say("still here").await;
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn a_withdrawn_token_is_out_on_every_node_and_a_new_one_is_not(#[case] stage: Stage) {
    let folder = TempDir::new().unwrap();
    let [here, there, _] = stage.start_with(by_secret(&folder)).await;
    let chief = comes(&here, &admins_token()).await.unwrap();
    let (lost, kept) = (claims("ada", 3_600), claims("ada", 3_600));
    let thief = comes(&there, &token(&lost)).await.unwrap();
    let ada = comes(&there, &token(&kept)).await.unwrap();

    chief.granted("moderation:revoke", json!({ "token": lost.jti })).await;
    assert_eq!(thief.next("system:notice").await["code"], "revoked");
    thief.closed().await;
    is_refused(&here, &token(&lost)).await;
    is_refused(&there, &token(&lost)).await;
    ada.join("lobby").await;
    let refused = ada.refused("session:refresh", json!({ "token": token(&lost) })).await;
    assert_eq!(refused["code"], "unauthorized");

    chief.granted("moderation:revoke", json!({ "user": "ada" })).await;
    ada.closed().await;
    is_refused(&there, &token(&kept)).await;
    // Given later: good again. A token says its second only.
    let later = eventually("a token of a later second", || async {
        comes(&there, &token_of("ada")).await.ok()
    });
    later.await.join("lobby").await;
}

#[tokio::test]
async fn tutorial_pages_have_no_token_and_are_told_so() {
    let folder = TempDir::new().unwrap();
    let node = Alone::forgetful(by_secret(&folder)).await;

    let page = Arrival::classic().try_at(node.address()).await;

    assert_eq!(page.err().unwrap()["message"], "unauthorized");
}

#[tokio::test]
async fn a_user_has_so_many_connections_on_all_nodes_and_no_more() {
    let folder = TempDir::new().unwrap();
    let settings = by_secret(&folder).with("limits.connections_per_user", 3);
    let nodes: [Arc<Node>; 3] = Cluster::start_with(settings).await;
    let token = token_of("ada");
    let mut tabs = Vec::new();
    for node in &nodes {
        tabs.push(comes(node, &token).await.unwrap());
    }

    for node in &nodes {
        assert_eq!(comes(node, &token).await.err().unwrap()["message"], "limit_exceeded");
    }
    comes(&nodes[0], &token_of("bob")).await.unwrap();
    tabs.remove(0).bye().await;
    let again =
        eventually("a place is free again", || async { comes(&nodes[2], &token).await.ok() });
    patiently("the third", again).await;
}

#[test]
fn a_node_does_not_start_on_a_key_that_is_none() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("key");
    let key_file = file.display().to_string();
    let starts = |algorithm: &str, text: &[u8]| {
        fs::write(&file, text).unwrap();
        let set = [
            "auth.mode=jwt".to_owned(),
            format!("auth.jwt_algorithm={algorithm}"),
            format!("auth.jwt_key_file={key_file}"),
            "store.url=memory:".to_owned(),
            "server.listen=127.0.0.1:0".to_owned(),
            "internal.listen=127.0.0.1:0".to_owned(),
        ];
        let set = set.iter().flat_map(|setting| ["--set", setting]);
        let ended = Command::new(env!("CARGO_BIN_EXE_hubbub")).env_clear().args(set).output();
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(1), "{algorithm}");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let private = fs::read(keys("eddsa.for-tests-only.pem")).unwrap();
    let of_another_kind = fs::read(keys("rs256.pub.pem")).unwrap();

    assert!(starts("HS256", b"changeme").contains("8 bytes"));
    assert!(starts("HS256", &[b'x'; 64]).contains("too few different"));
    assert!(starts("EdDSA", &private).contains("private key"));
    assert!(starts("EdDSA", &of_another_kind).contains("no public key for EdDSA"));
    assert!(starts("ES256", b"{\"keys\":[]}").contains("no key for ES256"));
}
