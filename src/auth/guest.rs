//! Guest sessions: whoever comes gets an identity, signed, so that the same guest is the same user
//! after a reconnect, on any node.
use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::{
    clock,
    config::auth::Auth as AuthConfig,
    domain::{
        id::UserId,
        nickname::Nickname,
        session::{Identity, Role},
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
}

/// Makes and checks guest sessions. Cheap to clone.
#[derive(Clone)]
pub struct Guests(Arc<Inner>);

struct Inner {
    configured: SecretString,
    lifetime: Duration,
    reserved: Vec<String>,
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
            lifetime: config.guest_lifetime,
            reserved: config.reserved_names.clone(),
            store,
            keys: OnceCell::new(),
        }))
    }

    /// A returning guest by its session, else a new one. A session that is not ours is refused:
    /// quietly becoming somebody else would make every retry a new message.
    pub async fn admit(&self, session: Option<&str>, name: Option<Nickname>) -> Result<Identity> {
        let back = match session {
            Some(session) => Some(self.check(session).await?),
            None => None,
        };
        if let Some(name) = &name {
            self.may_be_called(name)?;
        }
        Ok(match (back, name) {
            (Some(back), None) => back,
            (Some(back), Some(name)) => Identity { name, ..back },
            (None, name) => {
                let name = name.unwrap_or_else(some_name);
                Identity { id: clock::new_guest(), name, role: Role::Guest }
            }
        })
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
        };
        let keys = self.keys().await?;
        encode(&Header::new(Algorithm::HS256), &claims, &keys.sign)
            .map_err(|error| Error::Internal(error.into()))
    }

    /// Refuses reserved names and what reads like them.
    pub fn may_be_called(&self, name: &Nickname) -> Result<()> {
        if self.0.reserved.iter().any(|reserved| name.reads_like(reserved)) {
            return Err(Error::Reserved);
        }
        Ok(())
    }

    async fn check(&self, session: &str) -> Result<Identity> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "sub", "aud"]);
        let keys = self.keys().await?;
        let claims = decode::<Claims>(session, &keys.check, &rules)
            .map_err(|_| Error::Unauthorized("this session is not valid here; come without it"))?
            .claims;
        Ok(Identity { id: claims.sub, name: claims.name, role: Role::Guest })
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
