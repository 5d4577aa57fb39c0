//! Tokens (JWT): signed by somebody we trust, and checked by keys of theirs, which may change.
use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use data_encoding::BASE32_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{key_source::KeySource, keys::check_secret};
use crate::{
    clock,
    config::auth::{Algorithm as Configured, Auth as AuthConfig},
    domain::{
        id::UserId,
        moderation::TokenId,
        nickname::Nickname,
        session::{Role, Vouched},
    },
    error::{Error, Outcome, Result},
    telemetry::Metrics,
};

/// The largest token, in bytes: more is not looked at.
const LARGEST: usize = 4 * 1024;
/// What a refusal says: nothing about why.
const NOT_VALID: Error = Error::Unauthorized("this token is not valid here");

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    role: Option<String>,
}

/// What a good token says.
#[derive(Debug, Clone)]
pub struct Token {
    pub user: UserId,
    /// What its bearer is called, if whoever signed it says so.
    pub name: Option<Nickname>,
    pub vouched: Vouched,
}

/// What checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    config: AuthConfig,
    rules: Validation,
    source: KeySource,
}

impl Tokens {
    /// A file of keys that cannot be used is a mistake at the start; who is asked for them may answer
    /// later.
    pub fn open(config: &AuthConfig, metrics: &Metrics) -> anyhow::Result<Self> {
        let algorithm = library(config.jwt_algorithm);
        let mut rules = Validation::new(algorithm);
        rules.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        rules.set_audience(&[&config.jwt_audience]);
        rules.set_issuer(&[&config.jwt_issuer]);
        rules.leeway = config.jwt_leeway.as_secs();
        rules.validate_nbf = true;
        let source = KeySource::open(config, metrics)?;
        Ok(Self(Arc::new(Inner { config: config.clone(), rules, source })))
    }

    /// Whether any token can be checked; if not, why.
    pub fn trouble(&self) -> Option<String> {
        self.0.source.trouble()
    }

    /// Keeps the keys those that count now, until told to stop.
    pub async fn keep_fresh(self) {
        self.0.source.keep_fresh().await;
    }

    /// What a token vouches for, if it is a good one.
    pub async fn check(&self, token: &str) -> Result<Token> {
        if token.len() > LARGEST {
            return Err(NOT_VALID);
        }
        let header = decode_header(token).map_err(|_| NOT_VALID)?;
        if header.alg != library(self.0.config.jwt_algorithm) {
            return Err(NOT_VALID);
        }
        let kid = header.kid.as_deref();
        let keys = self.0.source.keys_with(kid).await.ok_or(Error::unavailable(Outcome::None))?;
        let key = keys.find(kid).ok_or(NOT_VALID)?;
        let claims = decode::<Claims>(token, key, &self.0.rules).map_err(|_| NOT_VALID)?.claims;
        self.read(claims).ok_or(NOT_VALID)
    }

    fn read(&self, claims: Claims) -> Option<Token> {
        let expires_at = millis(claims.exp)?;
        let leeway = ms(self.0.config.jwt_leeway);
        let latest = clock::now_ms().saturating_add(ms(self.0.config.jwt_lifetime));
        if expires_at > latest.saturating_add(leeway) {
            return None;
        }
        let role = match claims.role.as_deref() {
            Some("admin") => Role::Admin,
            Some("moderator") => Role::Moderator,
            _ => Role::Member,
        };
        let name = claims.name.map(Nickname::try_from).transpose().ok()?;
        let token = claims.jti.map(TokenId::try_from).transpose().ok()?;
        let issued_at = match claims.iat {
            Some(at) => millis(at)?,
            None => 0,
        };
        let expires_at = Some(expires_at.saturating_add(leeway));
        let vouched = Vouched { role, token, issued_at, expires_at };
        Some(Token { user: user(&claims.sub)?, name, vouched })
    }
}

/// Seconds since 1970, as a token writes them.
fn millis(seconds: f64) -> Option<u64> {
    let is_a_time = (0.0..=253_402_300_799.0).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    is_a_time.then_some((seconds * 1_000.0) as u64)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A subject that can be a user id is one; any other has one made of its hash. Those that look like
/// ids of our own making have too, or a token could speak for a guest.
fn user(sub: &str) -> Option<UserId> {
    if sub.is_empty() {
        return None;
    }
    let is_ours = sub.starts_with("g_") || sub.starts_with("u_");
    if let (false, Ok(user)) = (is_ours, sub.parse()) {
        return Some(user);
    }
    let hash = Sha256::digest(sub.as_bytes());
    format!("u_{}", BASE32_NOPAD.encode(&hash[..20]).to_ascii_lowercase()).parse().ok()
}

fn library(algorithm: Configured) -> Algorithm {
    use Configured as C;
    match algorithm {
        C::HS256 => Algorithm::HS256,
        C::HS384 => Algorithm::HS384,
        C::HS512 => Algorithm::HS512,
        C::RS256 => Algorithm::RS256,
        C::RS384 => Algorithm::RS384,
        C::RS512 => Algorithm::RS512,
        C::PS256 => Algorithm::PS256,
        C::PS384 => Algorithm::PS384,
        C::PS512 => Algorithm::PS512,
        C::ES256 => Algorithm::ES256,
        C::ES384 => Algorithm::ES384,
        C::EdDSA => Algorithm::EdDSA,
    }
}

/// What a token made here says.
#[derive(Debug, Serialize)]
pub struct Minted {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    /// Seconds since 1970.
    pub iat: u64,
    pub exp: u64,
    pub jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Signs a token: for trying, and for whoever has no other issuer. `key`: the secret, or the
/// private key as PEM.
pub fn mint(claims: &Minted, algorithm: Configured, key: &[u8]) -> anyhow::Result<String> {
    use Configured as C;
    let key = match algorithm {
        C::HS256 | C::HS384 | C::HS512 => {
            let secret = key.trim_ascii();
            check_secret(secret)?;
            EncodingKey::from_secret(secret)
        }
        C::ES256 | C::ES384 => EncodingKey::from_ec_pem(key).map_err(|e| not_private(&e))?,
        C::EdDSA => EncodingKey::from_ed_pem(key).map_err(|e| not_private(&e))?,
        _ => EncodingKey::from_rsa_pem(key).map_err(|e| not_private(&e))?,
    };
    encode(&Header::new(library(algorithm)), claims, &key).context("the token cannot be signed")
}

fn not_private(error: &jsonwebtoken::errors::Error) -> anyhow::Error {
    anyhow!("the file holds no private key for this algorithm as PEM: {error}")
}
