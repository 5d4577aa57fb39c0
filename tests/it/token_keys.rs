//! The keys of tokens by URL: fetched before anybody is let in, changed while the node runs, and kept
//! while they are not to be had.
use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::get,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hubbub::{auth::jwt::Minted, clock};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{Alone, Arrival, Node, Settings, User, beside, eventually};

/// What the issuer says when it is asked for its keys.
#[derive(Clone)]
enum Says {
    Keys(String),
    Never,
    Failure,
    GoElsewhere,
}

struct Asked {
    says: Mutex<Says>,
    times: AtomicU64,
}

struct Issuer {
    asked: Arc<Asked>,
    address: SocketAddr,
}

impl Issuer {
    async fn start(says: Says) -> Self {
        let asked = Arc::new(Asked { says: Mutex::new(says), times: AtomicU64::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let good = get(|| async { jwks(&["one"]) });
        let router = Router::new()
            .route("/keys", get(answer))
            .route("/elsewhere", good)
            .with_state(asked.clone());
        beside(async { axum::serve(listener, router).await.unwrap() });
        Self { asked, address }
    }

    fn says(&self, says: Says) {
        *self.asked.says.lock() = says;
    }

    fn times(&self) -> u64 {
        self.asked.times.load(Ordering::Acquire)
    }

    fn settings(&self, refresh: &str) -> Settings {
        Settings::default()
            .with("auth.mode", "jwt")
            .with("auth.jwt_key_url", format!("http://{}/keys", self.address))
            .with("auth.jwt_key_refresh", refresh)
    }
}

async fn answer(State(asked): State<Arc<Asked>>) -> Response {
    asked.times.fetch_add(1, Ordering::AcqRel);
    let says = asked.says.lock().clone();
    match says {
        Says::Keys(text) => text.into_response(),
        Says::Never => std::future::pending().await,
        Says::Failure => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Says::GoElsewhere => (StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response(),
    }
}

/// The files of each key.
fn files(kid: &str) -> (String, String) {
    let name = if kid == "one" { "eddsa" } else { "eddsa2" };
    let file = |kind| format!("{}/tests/it/keys/{name}.{kind}.pem", env!("CARGO_MANIFEST_DIR"));
    (file("pub"), file("for-tests-only"))
}

fn jwks(kids: &[&str]) -> String {
    let jwk = |kid: &&str| {
        let pem = fs::read_to_string(files(kid).0).unwrap();
        let der = BASE64.decode(pem.lines().nth(1).unwrap().as_bytes()).unwrap();
        let x = BASE64URL_NOPAD.encode(&der[der.len() - 32..]);
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x })
    };
    json!({ "keys": kids.iter().map(jwk).collect::<Vec<_>>() }).to_string()
}

/// A token that names this key, signed with that of `signed_by`.
fn token(kid: &str, signed_by: &str) -> String {
    let iat = clock::now_ms() / 1_000;
    let claims = Minted {
        iss: "hubbub".to_owned(),
        aud: "hubbub".to_owned(),
        sub: "ada".to_owned(),
        iat,
        exp: iat + 3_600,
        jti: clock::random_text(),
        name: None,
        role: None,
    };
    let key = fs::read(files(signed_by).1).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ed_pem(&key).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

async fn comes(node: &Node, kid: &str) -> Option<User> {
    Arrival::of("ada").with_token(&token(kid, kid)).try_at(node.address()).await.ok()
}

#[tokio::test]
async fn keys_by_url_change_while_people_are_connected() {
    let issuer = Issuer::start(Says::Keys(jwks(&["one"]))).await;
    let node = Alone::forgetful(issuer.settings("1s")).await;
    let ada = comes(&node, "one").await.unwrap();
    ada.join("lobby").await;

    issuer.says(Says::Keys(jwks(&["two"])));

    eventually("the old key no longer counts", || async {
        comes(&node, "one").await.is_none().then_some(())
    })
    .await;
    comes(&node, "two").await.unwrap();
    ada.say("still here").await;
    ada.granted("session:refresh", json!({ "token": token("two", "two") })).await;
}

#[tokio::test]
async fn a_key_that_is_not_known_is_asked_for_but_not_again_and_again() {
    let issuer = Issuer::start(Says::Keys(jwks(&["one"]))).await;
    let node = Alone::forgetful(issuer.settings("1d")).await;
    comes(&node, "one").await.unwrap();
    assert_eq!(issuer.times(), 1);

    issuer.says(Says::Keys(jwks(&["one", "two"])));
    eventually("the new key is fetched", || async { comes(&node, "two").await }).await;

    let (before, began) = (issuer.times(), Instant::now());
    for n in 0..20 {
        let forged = token(&format!("key-{n}"), "two");
        let refused = Arrival::of("eve").with_token(&forged).try_at(node.address()).await;
        assert_eq!(refused.err().unwrap()["message"], "unauthorized");
    }
    let most = 1 + began.elapsed().as_secs() / 5;
    assert!(issuer.times() - before <= most, "asked {} times", issuer.times() - before);
    // Who names a key that is known does not make anybody ask.
    let again = issuer.times();
    comes(&node, "one").await.unwrap();
    assert_eq!(issuer.times(), again);
}

#[tokio::test]
async fn keys_from_before_go_on_while_there_are_no_others_to_be_had() {
    let issuer = Issuer::start(Says::Keys(jwks(&["one"]))).await;
    let node = Alone::forgetful(issuer.settings("1s")).await;
    comes(&node, "one").await.unwrap();
    let failures = || node.metric("hubbub_token_key_failures_total");

    let many: Vec<String> = (0..101).map(|n| format!("key-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let huge = format!("{}{}", jwks(&["two"]), " ".repeat(300 * 1_024));
    for says in [
        Says::Failure,
        Says::Keys("{ nonsense".to_owned()),
        Says::Keys(huge),
        Says::Keys(jwks(&many)),
        Says::GoElsewhere,
        Says::Never,
    ] {
        let before = failures().await;
        issuer.says(says);
        eventually("one more failure", || async { (failures().await > before).then_some(()) })
            .await;
        comes(&node, "one").await.expect("the keys from before count");
        assert!(comes(&node, "two").await.is_none());
    }

    issuer.says(Says::Keys(jwks(&["two"])));
    eventually("the issuer is heard again", || async { comes(&node, "two").await }).await;
}

#[tokio::test]
async fn a_node_without_keys_is_not_ready_and_says_why() {
    let issuer = Issuer::start(Says::Failure).await;
    let node = Alone::early(issuer.settings("1d")).await;

    let why = eventually("the issuer has failed", || async {
        let answer = node.probe("/readyz").await?;
        (answer.status == 503 && answer.body.contains("500")).then_some(answer.body)
    })
    .await;
    assert!(why.contains("waiting for the keys of tokens"), "{why}");

    issuer.says(Says::Keys(jwks(&["one"])));
    node.is_ready().await;
    comes(&node, "one").await.unwrap();
}
