//! Tokens of the run's own issuer, for nodes that let nobody in without one.
use std::{fs, path::Path, time::Duration};

use hubbub::{
    auth::jwt::{Minted, mint},
    clock,
    config::auth::Algorithm,
};

use crate::{common::Settings, records::Name};

const SECRET: &[u8] = b"a secret that nobody guesses in this run";

/// How somebody comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearer {
    /// Each token is new, and lasts for so long.
    pub(crate) lasts: Duration,
    /// Brings another one when told that it ends; else it brings one only when it comes in.
    pub(crate) refreshes: bool,
}

impl Bearer {
    pub(super) fn token(self, name: Name) -> String {
        let iat = clock::now_ms() / 1_000;
        let claims = Minted {
            iss: "hubbub".to_owned(),
            aud: "hubbub".to_owned(),
            sub: name.to_string(),
            iat,
            exp: iat + self.lasts.as_secs(),
            jti: clock::random_text(),
            name: Some(name.to_string()),
            role: None,
        };
        mint(&claims, Algorithm::HS256, SECRET).expect("the secret is long enough")
    }
}

/// What nodes are told, so that they take these tokens and nobody without one.
pub(crate) fn by_token(settings: Settings, folder: &Path) -> Settings {
    let file = folder.join("secret");
    fs::write(&file, SECRET).unwrap_or_else(|cause| panic!("{}: {cause}", file.display()));
    settings
        .with("auth.mode", "jwt")
        .with("auth.jwt_algorithm", Algorithm::HS256)
        .with("auth.jwt_key_file", file.display())
        .with("auth.jwt_leeway", "0s")
}
