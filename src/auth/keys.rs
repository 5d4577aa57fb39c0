//! What tokens are checked with: a secret, a public key as PEM, or a JWKS.
use std::collections::HashMap;

use anyhow::{Context as _, bail};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, Jwk, JwkSet},
};

use crate::config::auth::{Algorithm as Configured, SHORTEST_KEY};

/// The most keys a JWKS may hold.
const MOST_KEYS: usize = 100;
/// So few different bytes are no secret.
const FEWEST_BYTES: usize = 8;

/// The keys, and the text they were read from.
pub(super) struct Keys {
    pub(super) text: Vec<u8>,
    which: Which,
}

enum Which {
    /// Whatever a token says of its key.
    One(DecodingKey),
    /// By the token's `kid`, which is looked up and nothing else.
    Named(HashMap<String, DecodingKey>),
}

impl Keys {
    pub(super) fn of(text: Vec<u8>, algorithm: Configured) -> anyhow::Result<Self> {
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

    /// The key that a token asks for by its header, and nothing else of it.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        match (&self.which, kid) {
            (Which::One(key), _) => Some(key),
            (Which::Named(keys), Some(kid)) => keys.get(kid),
            (Which::Named(keys), None) if keys.len() == 1 => keys.values().next(),
            (Which::Named(_), None) => None,
        }
    }
}

pub(super) fn check_secret(secret: &[u8]) -> anyhow::Result<()> {
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
    if set.keys.len() > MOST_KEYS {
        bail!("it holds more than {MOST_KEYS} keys");
    }
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
