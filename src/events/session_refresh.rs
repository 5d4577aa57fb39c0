//! `session:refresh`: goes on under a new token of the same subject, on the same connection.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{
    domain::session::Identity,
    error::{Error, Result},
    state::AppState,
};

/// Goes on under a new token of the same subject, on the same connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRefresh {
    token: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Refreshed {
    pub user: Identity,
    /// When the connection is closed unless there is another one, ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl ClientEvent for SessionRefresh {
    const NAME: &'static str = "session:refresh";
    type Ack = Refreshed;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Refreshed>> {
        let Some(tokens) = &app.tokens else {
            return Err(Error::Forbidden("this server takes guests, who have no token"));
        };
        caller.buckets.refresh()?;
        let token = tokens.check(&self.token).await?;
        if token.user != *caller.user() {
            return Err(Error::Forbidden("this token is somebody else's"));
        }
        let expires_at = token.vouched.expires_at;
        let standing = caller.standing_under(token.vouched.clone());
        app.moderation.may_stay(&standing)?;
        caller.vouch(token.vouched);
        Ok(Refreshed { user: caller.identity(), expires_at }.into())
    }
}
