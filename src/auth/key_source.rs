//! Where the keys of tokens come from: a file, looked at now and then, or an address, asked now and
//! then and when a token names a key that is not known. Keys that count go on while neither is to
//! be had.
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use parking_lot::{Mutex, RwLock};
use reqwest::{Client, StatusCode, Url, redirect::Policy};

use super::keys::Keys;
use crate::{
    config::auth::{Algorithm, Auth as AuthConfig},
    telemetry::Metrics,
};

/// The largest text of keys; more is not read.
const LARGEST: usize = 256 * 1024;
/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an address may take to answer, to the last byte. Below `engine.connect_timeout`: who
/// brings a key that is not known waits for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Tokens that name unknown keys make an address be asked at most this often.
const UNKNOWN_EVERY: Duration = Duration::from_secs(5);
/// After a failure: at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

pub(super) struct KeySource {
    place: Place,
    algorithm: Algorithm,
    keys: RwLock<Option<Arc<Keys>>>,
    /// Why there were no other keys when it was last tried.
    trouble: Mutex<Option<String>>,
    metrics: Metrics,
}

enum Place {
    File(String),
    Address(Address),
}

struct Address {
    client: Client,
    url: Url,
    every: Duration,
    /// When it was last asked; who holds it asks.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl KeySource {
    /// Reads a file; asks nobody yet.
    pub(super) fn open(config: &AuthConfig, metrics: &Metrics) -> anyhow::Result<Self> {
        let place = match config.jwt_key_url.as_str() {
            "" => Place::File(config.jwt_key_file.clone()),
            url => Place::Address(Address::new(url, config.jwt_key_refresh)?),
        };
        let source = Self {
            place,
            algorithm: config.jwt_algorithm,
            keys: RwLock::default(),
            trouble: Mutex::new(Some("they have not been fetched yet".to_owned())),
            metrics: metrics.clone(),
        };
        if let Place::File(path) = &source.place {
            source.take(read(path)?)?;
        }
        Ok(source)
    }

    /// Why there are no keys at all.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.keys.read().is_some() { None } else { self.trouble.lock().clone() }
    }

    pub(super) async fn keep_fresh(&self) {
        match &self.place {
            Place::File(path) => self.keep_looking(path).await,
            Place::Address(address) => self.keep_asking(address).await,
        }
    }

    /// The keys, with this one among them if it is to be had; none: there are none yet.
    pub(super) async fn keys_with(&self, kid: Option<&str>) -> Option<Arc<Keys>> {
        let keys = self.keys.read().clone()?;
        if let (Place::Address(address), None) = (&self.place, keys.find(kid)) {
            let mut asked = address.asked.lock().await;
            // Whoever waited here finds what the one before has fetched.
            if asked.is_none_or(|at| at.elapsed() >= UNKNOWN_EVERY) {
                self.say(self.ask(address, &mut asked).await);
            }
            return self.keys.read().clone();
        }
        Some(keys)
    }

    async fn keep_looking(&self, path: &str) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let path = path.to_owned();
            let text = tokio::task::spawn_blocking(move || read(&path)).await;
            self.say(text.map_err(Into::into).flatten().and_then(|text| self.take(text)));
        }
    }

    async fn keep_asking(&self, address: &Address) {
        let mut wait = RETRY.0;
        loop {
            let fetched = self.ask(address, &mut *address.asked.lock().await).await;
            let pause = if fetched.is_ok() { address.every } else { wait.min(address.every) };
            wait = if fetched.is_ok() { RETRY.0 } else { (wait * 2).min(RETRY.1) };
            self.say(fetched);
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether there were other keys.
    async fn ask(&self, address: &Address, asked: &mut Option<Instant>) -> anyhow::Result<bool> {
        let fetched = address.fetch().await;
        *asked = Some(Instant::now());
        self.take(fetched?)
    }

    /// Whether these are others than before.
    fn take(&self, text: Vec<u8>) -> anyhow::Result<bool> {
        if self.keys.read().as_ref().is_some_and(|keys| keys.text == text) {
            return Ok(false);
        }
        let keys = Keys::of(text, self.algorithm)?;
        *self.keys.write() = Some(Arc::new(keys));
        Ok(true)
    }

    fn say(&self, fetched: anyhow::Result<bool>) {
        match fetched {
            Ok(true) => tracing::info!("the keys of tokens were read"),
            Ok(false) => {}
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the keys of tokens cannot be used; those from before go on");
                *self.trouble.lock() = Some(error);
                self.metrics.token_key_failures.add(1, &[]);
            }
        }
    }
}

impl Address {
    fn new(url: &str, every: Duration) -> anyhow::Result<Self> {
        let url = Url::parse(url).context("auth.jwt_key_url is no URL")?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(ANSWER_WITHIN)
            .pool_max_idle_per_host(0)
            .build()
            .context("no HTTP client for auth.jwt_key_url")?;
        Ok(Self { client, url, every, asked: tokio::sync::Mutex::default() })
    }

    async fn fetch(&self) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.client.get(self.url.clone()).send().await?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "auth.jwt_key_url answers {status}");
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            ensure!(text.len() + piece.len() <= LARGEST, "it is larger than {LARGEST} bytes");
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }
}

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    let text =
        fs::read(path).with_context(|| format!("auth.jwt_key_file {path} cannot be read"))?;
    if text.len() > LARGEST {
        bail!("auth.jwt_key_file {path} is larger than {LARGEST} bytes");
    }
    Ok(text)
}
