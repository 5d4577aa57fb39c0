//! `session:rename`: goes by another name from now on, in every room one is in.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{
    domain::{moderation::Subject, nickname::Nickname, session::Identity},
    error::{Error, Result},
    state::AppState,
};

/// Goes by another name from now on, in every room one is in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRename {
    name: Nickname,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Renamed {
    pub user: Identity,
    /// Replaces the session from before. Absent where tokens are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl ClientEvent for SessionRename {
    const NAME: &'static str = "session:rename";
    type Ack = Renamed;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Renamed>> {
        let moderates = caller.connection.standing.role().moderates();
        if !moderates {
            app.guests.may_be_called(&self.name)?;
            app.moderation.may_be_called(Subject::Name(self.name.skeleton()))?;
        }
        caller.buckets.rename()?;
        let user = Identity { name: self.name.clone(), ..caller.identity() };
        let session = match app.tokens {
            None => Some(app.guests.session(&user).await?),
            Some(_) if caller.is_named_by_token => {
                return Err(Error::Forbidden("the token says what you are called"));
            }
            Some(_) => None,
        };
        caller.rename(self.name);
        app.presence.rename(&caller.connection.id, user.name.as_str()).await;
        Ok(Renamed { user, session }.into())
    }
}
