//! `hubbub token`: signs a token, for trying, and for whoever has no other issuer.
use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::{
    auth::jwt::{Minted, mint},
    clock,
    config::auth::{Algorithm, Auth},
};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Token {
    /// Whom it speaks for.
    #[arg(long)]
    sub: String,
    /// What they are called; without it, what they say when they connect.
    #[arg(long)]
    name: Option<String>,
    /// admin or moderator; without it, a member.
    #[arg(long, value_parser = ["admin", "moderator", "member"])]
    role: Option<String>,
    /// For how long it is good: 15m, 8h, 30d.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires: humantime::Duration,
    /// The secret (HS…), or the private key as PEM.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// How it is signed [default: `auth.jwt_algorithm`].
    #[arg(long, value_name = "NAME")]
    alg: Option<Algorithm>,
}

/// Prints a token that the nodes with this configuration take.
pub(super) fn print(asked: &Token, config: &Auth) -> anyhow::Result<()> {
    let key = fs::read(&asked.key_file)
        .with_context(|| format!("{} cannot be read", asked.key_file.display()))?;
    let lasts: Duration = asked.expires.into();
    ensure!(lasts <= config.jwt_lifetime, "auth.jwt_lifetime allows no token that lasts so long");
    let iat = clock::now_ms() / 1_000;
    let claims = Minted {
        iss: config.jwt_issuer.clone(),
        aud: config.jwt_audience.clone(),
        sub: asked.sub.clone(),
        iat,
        exp: iat.saturating_add(lasts.as_secs()),
        jti: clock::random_text(),
        name: asked.name.clone(),
        role: asked.role.clone(),
    };
    let token = mint(&claims, asked.alg.unwrap_or(config.jwt_algorithm), &key)?;
    writeln!(io::stdout().lock(), "{token}").context("the token cannot be written")
}
