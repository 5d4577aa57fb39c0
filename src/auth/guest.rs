//! Guest sessions: whoever comes gets an identity, signed, so that the same guest is the same user
//! after a reconnect, on any node.
use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::{
    clock,
    config::auth::Auth as AuthConfig,
    domain::{
        id::UserId,
        nickname::{Nickname, Skeleton},
        session::{Identity, Role, Vouched},
    },
    error::{Error, Result},
    store::sessions::Sessions,
};

/// Says what a token is for, so that one made for something else is never taken for a session.
const AUDIENCE: &str = "hubbub-guest";

/// Between two tries while the store does not answer.
const TRY_AGAIN: Duration = Duration::from_millis(100);

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    name: Nickname,
    aud: String,
    /// Seconds since 1970.
    exp: u64,
    /// The same; of sessions from before this was written it is unknown.
    #[serde(default)]
    iat: u64,
}

/// Makes and checks guest sessions. Cheap to clone.
#[derive(Clone)]
pub struct Guests(Arc<Inner>);

struct Inner {
    configured: SecretString,
    admin_secret: SecretString,
    lifetime: Duration,
    /// What the eye takes each reserved name for.
    reserved: Vec<Skeleton>,
    store: Arc<dyn Sessions>,
    keys: OnceCell<Keys>,
}

struct Keys {
    sign: EncodingKey,
    check: DecodingKey,
}

impl Guests {
    pub fn new(config: &AuthConfig, store: Arc<dyn Sessions>) -> Self {
        Self(Arc::new(Inner {
            configured: config.guest_key.clone(),
            admin_secret: config.admin_secret.clone(),
            lifetime: config.guest_lifetime,
            reserved: config.reserved_names.iter().map(|name| Skeleton::of(name)).collect(),
            store,
            keys: OnceCell::new(),
        }))
    }

    /// A returning guest by its session, else a new one. A session that is not ours is refused:
    /// quietly becoming somebody else would make every retry a new message.
    ///
    /// Who brings the admins' secret is one, and may take any name.
    pub async fn admit(
        &self,
        session: Option<&str>,
        name: Option<Nickname>,
        secret: Option<&str>,
    ) -> Result<(Identity, Vouched)> {
        let role = match secret {
            Some(secret) if self.is_admins(secret) => Role::Admin,
            Some(_) => return Err(Error::Unauthorized("this server takes guests, not tokens")),
            None => Role::Guest,
        };
        let (back, issued_at) = match session {
            Some(session) => {
                let (back, issued_at) = self.check(session).await?;
                (Some(back), issued_at)
            }
            None => (None, clock::now_ms()),
        };
        if let (Some(name), Role::Guest) = (&name, role) {
            self.may_be_called(name)?;
        }
        let identity = match (back, name) {
            (Some(back), None) => Identity { role, ..back },
            (Some(back), Some(name)) => Identity { name, role, ..back },
            (None, name) => {
                let name = name.unwrap_or_else(some_name);
                Identity { id: clock::new_guest(), name, role }
            }
        };
        Ok((identity, Vouched { role, ..Vouched::guest(issued_at) }))
    }

    /// Compared by their hashes, so that the time it takes says nothing of the secret.
    fn is_admins(&self, secret: &str) -> bool {
        let ours = self.0.admin_secret.expose_secret();
        !ours.is_empty() && Sha256::digest(ours) == Sha256::digest(secret)
    }

    /// Whether sessions can be made and checked; not before the store was reached once.
    pub fn are_ready(&self) -> bool {
        self.0.keys.initialized()
    }

    /// Fetches the key, for as long as it takes.
    pub async fn get_ready(self) {
        while let Err(error) = self.keys().await {
            tracing::debug!(%error, "the key of guest sessions is not to be had yet");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// The session that lets this guest come back.
    pub async fn session(&self, identity: &Identity) -> Result<String> {
        let claims = Claims {
            sub: identity.id.clone(),
            name: identity.name.clone(),
            aud: AUDIENCE.to_owned(),
            exp: clock::now_ms() / 1_000 + self.0.lifetime.as_secs(),
            iat: clock::now_ms() / 1_000,
        };
        let keys = self.keys().await?;
        encode(&Header::new(Algorithm::HS256), &claims, &keys.sign)
            .map_err(|error| Error::Internal(error.into()))
    }

    /// Refuses reserved names and what reads like them.
    pub fn may_be_called(&self, name: &Nickname) -> Result<()> {
        if self.0.reserved.contains(&name.skeleton()) { Err(Error::Reserved) } else { Ok(()) }
    }

    /// Who it is, and since when that is vouched for.
    async fn check(&self, session: &str) -> Result<(Identity, u64)> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "sub", "aud"]);
        let keys = self.keys().await?;
        let claims = decode::<Claims>(session, &keys.check, &rules)
            .map_err(|_| Error::Unauthorized("this session is not valid here; come without it"))?
            .claims;
        let issued_at = claims.iat.saturating_mul(1_000);
        Ok((Identity { id: claims.sub, name: claims.name, role: Role::Guest }, issued_at))
    }

    /// A name for who has none.
    pub fn some_name(&self) -> Nickname {
        some_name()
    }

    async fn keys(&self) -> Result<&Keys> {
        self.0.keys.get_or_try_init(|| self.make_keys()).await
    }

    async fn make_keys(&self) -> Result<Keys> {
        let key = match self.0.configured.expose_secret() {
            "" => {
                let candidate = format!("{}{}", clock::random_text(), clock::random_text());
                self.0.store.guest_key(&candidate).await?
            }
            configured => configured.to_owned(),
        };
        Ok(Keys {
            sign: EncodingKey::from_secret(key.as_bytes()),
            check: DecodingKey::from_secret(key.as_bytes()),
        })
    }
}

fn some_name() -> Nickname {
    let random = clock::random_text();
    format!("guest-{}", &random[..5]).try_into().expect("letters and digits make a name")
}
