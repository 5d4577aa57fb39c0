//! `[auth]`: who may come in.
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Impossible,
    bounds::{DAY, HOUR, MINUTE, TEN_YEARS, secs, within},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Anyone, under a name of their choice.
    Guest,
    /// Whoever brings a token that somebody we trust has signed.
    Jwt,
}

/// How tokens are signed: said here, and never by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::Display, strum::EnumString)]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    /// Whether who can check a token can also make one.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub mode: Mode,
    /// Signs guest sessions; empty: made once and kept in the store, so that all nodes share it.
    pub guest_key: SecretString,
    /// For how long a guest can come back under the same identity.
    #[serde(with = "humantime_serde")]
    pub guest_lifetime: Duration,
    /// Makes a guest who brings it as `token` an admin; empty: nobody is.
    pub admin_secret: SecretString,
    /// How tokens are signed.
    pub jwt_algorithm: Algorithm,
    /// The file with the key that tokens are checked with.
    pub jwt_key_file: String,
    /// Where a JWKS is fetched that tokens are checked with, instead of the file.
    pub jwt_key_url: String,
    /// How often it is fetched.
    #[serde(with = "humantime_serde")]
    pub jwt_key_refresh: Duration,
    /// Who tokens are from, their `iss`.
    pub jwt_issuer: String,
    /// Whom tokens are for, their `aud`.
    pub jwt_audience: String,
    /// How far clocks may differ.
    #[serde(with = "humantime_serde")]
    pub jwt_leeway: Duration,
    /// How far ahead the end of a token may lie.
    #[serde(with = "humantime_serde")]
    pub jwt_lifetime: Duration,
    /// How long before its token ends a client is told.
    #[serde(with = "humantime_serde")]
    pub jwt_notice: Duration,
    /// Names nobody may take, nor anything that reads like them.
    pub reserved_names: Vec<String>,
}

/// The shortest key for HMAC-SHA-256 that does not weaken it (RFC 2104, section 3).
pub const SHORTEST_KEY: usize = 32;

impl Auth {
    pub fn validate(&self) -> Result<(), Impossible> {
        for (key, secret) in
            [("auth.guest_key", &self.guest_key), ("auth.admin_secret", &self.admin_secret)]
        {
            let bytes = secret.expose_secret().len();
            if (1..SHORTEST_KEY).contains(&bytes) {
                let says =
                    format!("must be empty or at least {SHORTEST_KEY} bytes, and has {bytes}");
                return Err(Impossible::new(key, "***", says));
            }
        }
        within("auth.guest_lifetime", self.guest_lifetime, secs(1)..=TEN_YEARS)?;
        within("auth.jwt_leeway", self.jwt_leeway, Duration::ZERO..=5 * MINUTE)?;
        within("auth.jwt_lifetime", self.jwt_lifetime, secs(1)..=TEN_YEARS)?;
        within("auth.jwt_notice", self.jwt_notice, Duration::ZERO..=HOUR)?;
        within("auth.jwt_key_refresh", self.jwt_key_refresh, secs(1)..=DAY)?;
        if self.mode == Mode::Jwt {
            self.validate_keys()?;
            for (key, value) in
                [("auth.jwt_issuer", &self.jwt_issuer), ("auth.jwt_audience", &self.jwt_audience)]
            {
                if value.is_empty() {
                    let says = "must not be empty while auth.mode is jwt";
                    return Err(Impossible::new(key, "\"\"", says));
                }
            }
        }
        self.validate_names()
    }

    /// Tokens' keys come from one place, and nobody on the way can put others there.
    fn validate_keys(&self) -> Result<(), Impossible> {
        let (file, url) = (&self.jwt_key_file, &self.jwt_key_url);
        if file.is_empty() == url.is_empty() {
            let says = "must be given, or auth.jwt_key_url, and not both, while auth.mode is jwt";
            return Err(Impossible::new("auth.jwt_key_file", format!("{file:?}"), says));
        }
        let is_wrong =
            |says: &str| Err(Impossible::new("auth.jwt_key_url", format!("{url:?}"), says));
        let host = |scheme: &str| {
            let rest = url.strip_prefix(scheme)?;
            Some(rest.split(['/', '?', '#']).next().unwrap_or_default())
        };
        match (host("https://"), host("http://")) {
            (None, None) if url.is_empty() => return Ok(()),
            (Some(host), _) | (_, Some(host)) if host.contains('@') => {
                return is_wrong("must not hold a user or a password");
            }
            (Some(_), _) => {}
            (_, Some(host)) if is_this_machine(host) => {}
            _ => return is_wrong("must begin with https:// (http:// on this machine only)"),
        }
        if self.jwt_algorithm.is_symmetric() {
            return is_wrong("must be empty with an algorithm whose key is a secret (HS…)");
        }
        Ok(())
    }

    fn validate_names(&self) -> Result<(), Impossible> {
        if self.reserved_names.iter().any(|name| name.trim().is_empty()) {
            let given = format!("{:?}", self.reserved_names);
            return Err(Impossible::new(
                "auth.reserved_names",
                given,
                "must not hold an empty name",
            ));
        }
        Ok(())
    }
}

/// Of a host with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]", "localhost"].contains(&name)
}
