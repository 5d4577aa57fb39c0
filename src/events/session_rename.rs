//! `session:rename`: goes by another name from now on, in every room one is in.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{
    domain::{nickname::Nickname, session::Identity},
    error::Result,
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
    /// Replaces the session from before.
    pub session: String,
}

impl ClientEvent for SessionRename {
    const NAME: &'static str = "session:rename";
    type Ack = Renamed;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Renamed>> {
        app.guests.may_be_called(&self.name)?;
        caller.buckets.rename()?;
        let user = Identity { name: self.name.clone(), ..caller.identity() };
        let session = app.guests.session(&user).await?;
        caller.rename(self.name);
        app.presence.rename(&caller.connection.id, user.name.as_str()).await;
        Ok(Renamed { user, session }.into())
    }
}
