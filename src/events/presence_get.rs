//! `presence:get`: who of some users is online, or how many are in a room one has joined.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, ClientEvent};
use crate::{
    domain::{
        id::{RoomId, UserId},
        presence::Person,
        room::Place,
    },
    error::{Error, Result},
    policy::access,
    state::AppState,
    store::log::LONGEST_PAGE,
};

/// The most users one may ask after at once.
const MOST_USERS: usize = 100;

/// Who of some users is online, or who is in a room one has joined: give one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceGet {
    #[serde(default)]
    room: Option<RoomId>,
    #[serde(default)]
    users: Option<Vec<UserId>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Presence {
    /// The room's users, a page of them, and how many there are.
    Room {
        users: Vec<Person>,
        count: u64,
    },
    Users {
        users: Vec<Online>,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Online {
    pub id: UserId,
    pub online: bool,
}

impl ClientEvent for PresenceGet {
    const NAME: &'static str = "presence:get";
    type Ack = Presence;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<Presence>> {
        match (self.room, self.users) {
            (Some(room), None) => {
                access::member_of(&room, &caller.connection)?;
                let people = app.presence.people(&Place::Room(room), None, LONGEST_PAGE).await?;
                Ok(Presence::Room { users: people.people, count: people.count }.into())
            }
            (None, Some(users)) if users.len() <= MOST_USERS => {
                let online = app.presence.online(&users).await?;
                let users = users
                    .into_iter()
                    .zip(online)
                    .map(|(id, online)| Online { id, online })
                    .collect();
                Ok(Presence::Users { users }.into())
            }
            (None, Some(_)) => Err(Error::bad_request("ask after at most 100 users at once")),
            _ => Err(Error::bad_request("give either a room or a list of users")),
        }
    }
}
