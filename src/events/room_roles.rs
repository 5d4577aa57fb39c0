//! `room:roles`: who is what in a room, by user id.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent, room_join::PageSize};
use crate::{
    domain::{
        id::{RoomId, UserId},
        room::RoomRole,
    },
    error::Result,
    state::AppState,
};

/// Who has a role in a room, by user id, joined or not: for whoever has one in a private room, for
/// both in a direct conversation, and for who keeps order in a public one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomRoles {
    room: RoomId,
    /// The last user of the answer before; without it, from the beginning.
    #[serde(default)]
    after: Option<UserId>,
    #[serde(default)]
    limit: PageSize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RolesPage {
    pub roles: Vec<Holder>,
    /// Others come after the last of these.
    pub more: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Holder {
    pub user: UserId,
    pub role: RoomRole,
}

impl ClientEvent for RoomRoles {
    const NAME: &'static str = "room:roles";
    type Ack = RolesPage;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<RolesPage>> {
        caller.buckets.page()?;
        app.roles.may_know_roles(&self.room, &caller.connection).await?;
        let page = app.roles.holders(&self.room, self.after.as_ref(), self.limit.get()).await?;
        let roles = page.roles.into_iter().map(|(user, role)| Holder { user, role }).collect();
        Ok(RolesPage { roles, more: page.more }.into())
    }
}
