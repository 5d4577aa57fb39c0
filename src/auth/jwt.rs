//! Tokens (JWT): signed by somebody we trust, checked by a key that is read from a file, and read
//! again when the file changes.
use std::{collections::HashMap, fs, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use data_encoding::BASE32_NOPAD;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    jwk::{AlgorithmParameters, Jwk, JwkSet},
};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    clock,
    config::auth::{Algorithm as Configured, Auth as AuthConfig, SHORTEST_KEY},
    domain::{
        id::UserId,
        moderation::TokenId,
        nickname::Nickname,
        session::{Role, Vouched},
    },
    error::{Error, Result},
};

/// The largest token, in bytes: more is not looked at.
const LARGEST: usize = 4 * 1024;
/// The largest file of keys.
const LARGEST_FILE: usize = 256 * 1024;
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So few different bytes are no secret.
const FEWEST_BYTES: usize = 8;
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
    keys: RwLock<Arc<Keys>>,
}

/// The keys, and the file's text they were read from.
struct Keys {
    text: Vec<u8>,
    which: Which,
}

enum Which {
    /// Whatever a token says of its key.
    One(DecodingKey),
    /// By the token's `kid`, which is looked up and nothing else.
    Named(HashMap<String, DecodingKey>),
}

impl Tokens {
    /// Reads the key; a file that cannot be used is a mistake at the start.
    pub fn open(config: &AuthConfig) -> anyhow::Result<Self> {
        let algorithm = library(config.jwt_algorithm);
        let mut rules = Validation::new(algorithm);
        rules.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        rules.set_audience(&[&config.jwt_audience]);
        rules.set_issuer(&[&config.jwt_issuer]);
        rules.leeway = config.jwt_leeway.as_secs();
        rules.validate_nbf = true;
        let text = read(&config.jwt_key_file)?;
        let keys = RwLock::new(Arc::new(Keys::of(text, config.jwt_algorithm)?));
        Ok(Self(Arc::new(Inner { config: config.clone(), rules, keys })))
    }

    /// Looks at the file now and then, so that keys can change while nodes run. One that cannot be
    /// used is said, and the keys from before go on.
    pub async fn keep_fresh(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.look()).await {
                Ok(Ok(true)) => tracing::info!("the keys of tokens were read again"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => tracing::warn!(
                    error = format!("{error:#}"),
                    "the keys of tokens cannot be used; those from before go on"
                ),
            }
        }
    }

    /// Whether there were other keys.
    fn look(&self) -> anyhow::Result<bool> {
        let text = read(&self.0.config.jwt_key_file)?;
        if text == self.0.keys.read().text {
            return Ok(false);
        }
        let keys = Keys::of(text, self.0.config.jwt_algorithm)?;
        *self.0.keys.write() = Arc::new(keys);
        Ok(true)
    }

    /// What a token vouches for, if it is a good one.
    pub fn check(&self, token: &str) -> Result<Token> {
        if token.len() > LARGEST {
            return Err(NOT_VALID);
        }
        let header = decode_header(token).map_err(|_| NOT_VALID)?;
        let keys = self.0.keys.read().clone();
        let key = match &keys.which {
            Which::One(key) => key,
            Which::Named(keys) => match &header.kid {
                Some(kid) => keys.get(kid).ok_or(NOT_VALID)?,
                None if keys.len() == 1 => keys.values().next().ok_or(NOT_VALID)?,
                None => return Err(NOT_VALID),
            },
        };
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

impl Keys {
    fn of(text: Vec<u8>, algorithm: Configured) -> anyhow::Result<Self> {
        let which = if algorithm.is_symmetric() {
            let secret = text.trim_ascii();
            check_secret(secret)?;
            Which::One(DecodingKey::from_secret(secret))
        } else if text.trim_ascii_start().starts_with(b"{") {
            Which::Named(named(&text, algorithm)?)
        } else {
            if text.windows(11).any(|piece| piece == b"PRIVATE KEY") {
                bail!("it holds a private key; a node needs the public one, and nothing more");
            }
            Which::One(public_key(&text, algorithm)?)
        };
        Ok(Self { text, which })
    }
}

fn check_secret(secret: &[u8]) -> anyhow::Result<()> {
    if secret.len() < SHORTEST_KEY {
        bail!("it holds {} bytes, and a secret has at least {SHORTEST_KEY}", secret.len());
    }
    let different: std::collections::BTreeSet<_> = secret.iter().collect();
    if different.len() < FEWEST_BYTES {
        bail!("it holds too few different bytes to be a secret");
    }
    Ok(())
}

fn public_key(pem: &[u8], algorithm: Configured) -> anyhow::Result<DecodingKey> {
    use Configured as C;
    let key = match algorithm {
        C::ES256 | C::ES384 => DecodingKey::from_ec_pem(pem),
        C::EdDSA => DecodingKey::from_ed_pem(pem),
        _ => DecodingKey::from_rsa_pem(pem),
    };
    key.with_context(|| format!("it holds no public key for {algorithm} as PEM"))
}

/// The keys of a JWKS that are for this algorithm, by their names.
fn named(text: &[u8], algorithm: Configured) -> anyhow::Result<HashMap<String, DecodingKey>> {
    let set: JwkSet = serde_json::from_slice(text).context("it is no JWKS")?;
    let mut keys = HashMap::new();
    for jwk in set.keys.iter().filter(|jwk| is_for(jwk, algorithm)) {
        let name = jwk.common.key_id.clone().unwrap_or_default();
        let key = DecodingKey::from_jwk(jwk).with_context(|| format!("its key {name:?}"))?;
        if keys.insert(name.clone(), key).is_some() {
            bail!("it holds two keys {name:?}");
        }
    }
    if keys.is_empty() {
        bail!("it holds no key for {algorithm}");
    }
    Ok(keys)
}

fn is_for(jwk: &Jwk, algorithm: Configured) -> bool {
    use Configured as C;
    let kind = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(_) => matches!(algorithm, C::ES256 | C::ES384),
        AlgorithmParameters::OctetKeyPair(_) => algorithm == C::EdDSA,
        AlgorithmParameters::RSA(_) => {
            !algorithm.is_symmetric() && !matches!(algorithm, C::ES256 | C::ES384 | C::EdDSA)
        }
        _ => false,
    };
    let named = jwk.common.key_algorithm.map(|name| name.to_string());
    kind && named.is_none_or(|name| name == algorithm.to_string())
}

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    let text =
        fs::read(path).with_context(|| format!("auth.jwt_key_file {path} cannot be read"))?;
    if text.len() > LARGEST_FILE {
        bail!("auth.jwt_key_file {path} is larger than {LARGEST_FILE} bytes");
    }
    Ok(text)
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
