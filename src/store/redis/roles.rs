//! Roles in Redis: fields of the room's rules, whose users also lie in order, and a list for each
//! user. The list lies in another slot, so it is written before a role is given and cleared after
//! one is taken away; what it has too much is found when it is read.
use anyhow::anyhow;
use async_trait::async_trait;
use futures_util::future::try_join_all;

use super::{RedisStore, keys};
use crate::{
    adapter::envelope,
    clock,
    domain::{
        id::{RoomId, UserId},
        moderation::Act,
        room::{Membership, RoomRole},
    },
    error::{Error, Result},
    redis::{Script, room_channel},
    store::{
        moderation::LONGEST_RECORD,
        roles::{Cast, Change, Holders, MOST_ROLES, Roles, peer},
    },
};

static CHANGE: Script = Script::new(include_str!("scripts/roles.lua"));
static HOLDERS: Script = Script::new(include_str!("scripts/holders.lua"));
static ENLIST: Script = Script::new(include_str!("scripts/enlist.lua"));
static STRIKE: Script = Script::new(include_str!("scripts/strike.lua"));

/// For so long a room may be on a list before its role is there, in ms.
const ON_ITS_WAY: u64 = 60_000;
/// Rooms asked about by one flush.
const ROOMS_AT_ONCE: usize = 128;

/// A role as its field has it.
pub(super) fn role(text: Option<&String>) -> Option<RoomRole> {
    text?.parse().ok()
}

fn texts(cast: &Cast) -> impl Iterator<Item = String> {
    cast.iter().flat_map(|(user, role)| {
        let role: &str = role.map_or("", Into::into);
        [user.to_string(), role.to_owned()]
    })
}

impl RedisStore {
    /// Puts the room on the lists of who gets a role; those that it was not on before, as noted.
    async fn enlist(&self, change: &Change, room: &RoomId) -> Result<Vec<(UserId, String)>> {
        let mut new = Vec::new();
        for (user, _) in change.becomes.iter().filter(|(_, role)| role.is_some()) {
            let with = peer(change, user).map_or(".", UserId::as_str);
            let noted = format!("{} {with}", clock::now_ms());
            let args = vec![room.to_string(), noted.clone(), change.most_rooms.to_string()];
            let reply = ENLIST.run(&self.link, vec![keys::rooms_of(user)], args).await?;
            match reply.first().map(String::as_str) {
                Some("NEW") => new.push((user.clone(), noted)),
                Some("KEPT") => {}
                _ => {
                    self.strike(room, &new).await;
                    return Err(Error::LimitExceeded("as many rooms as one user may be in"));
                }
            }
        }
        Ok(new)
    }

    /// Never a reason to fail: what stays on a list is found when it is read.
    async fn strike(&self, room: &RoomId, noted: &[(UserId, String)]) {
        for (user, noted) in noted {
            let args = vec![room.to_string(), noted.clone()];
            if let Err(error) = STRIKE.run(&self.link, vec![keys::rooms_of(user)], args).await {
                tracing::debug!(%error, "a room stays on a list for now");
            }
        }
    }

    async fn change_roles(&self, change: &Change, room: &RoomId) -> Result<bool> {
        let Change { act, is_new, seen, becomes, .. } = change;
        let mut args = vec![
            u8::from(*is_new).to_string(),
            u8::from(act.announce == Some(true)).to_string(),
            MOST_ROLES.to_string(),
            serde_json::to_string(act).map_err(anyhow::Error::from)?,
            LONGEST_RECORD.to_string(),
            room_channel(room.as_str()),
            envelope::act(act),
            seen.len().to_string(),
        ];
        args.extend(texts(seen).chain(texts(becomes)));
        let keys = vec![
            keys::rules(Some(room)),
            keys::record(Some(room)),
            keys::meta(room),
            keys::log(room),
            keys::holders(room),
        ];
        let reply = CHANGE.run(&self.link, keys, args).await?;
        match reply.first().map(String::as_str) {
            Some("OK") => Ok(true),
            Some("CHANGED") => Ok(false),
            Some("FULL") => Err(Error::LimitExceeded("as many have a role in this room as may")),
            _ => Err(anyhow!("unknown reply to a change of roles: {reply:?}").into()),
        }
    }

    /// What is on a list about a room, if there is a role behind it.
    async fn membership(
        &self,
        user: &UserId,
        (room, noted): (RoomId, String),
    ) -> Result<Option<Membership>> {
        let args = vec![keys::rules(Some(&room)), keys::role(user), "announce".to_owned()];
        let found: Vec<Option<String>> = self.link.command("HMGET", args).await?;
        let Some(role) = role(found.first().and_then(Option::as_ref)) else {
            let at = noted.split(' ').next().and_then(|at| at.parse().ok()).unwrap_or(0);
            if clock::now_ms().saturating_sub(ON_ITS_WAY) > at {
                self.strike(&room, &[(user.clone(), noted)]).await;
            }
            return Ok(None);
        };
        let announce = found.get(1).is_some_and(|text| text.as_deref() == Some("1"));
        let with = noted.split(' ').nth(1).filter(|with| *with != ".");
        let with = with.and_then(|with| with.parse().ok());
        Ok(Some(Membership { room, role, announce, with }))
    }
}

fn room_of(act: &Act) -> Result<&RoomId> {
    act.room.as_ref().ok_or_else(|| anyhow!("roles are changed in a room").into())
}

#[async_trait]
impl Roles for RedisStore {
    async fn change(&self, change: &Change) -> Result<bool> {
        let room = room_of(&change.act)?;
        let enlisted =
            if room.is_public() { Vec::new() } else { self.enlist(change, room).await? };
        let changed = self.change_roles(change, room).await;
        if matches!(changed, Err(Error::LimitExceeded(_))) {
            self.strike(room, &enlisted).await;
        }
        if !changed? {
            return Ok(false);
        }
        for (user, _) in change.becomes.iter().filter(|(_, role)| role.is_none()) {
            let args = vec![keys::rooms_of(user), room.to_string()];
            if let Err(error) = self.link.command::<u64>("HDEL", args).await {
                tracing::debug!(%error, "a room stays on a list for now");
            }
        }
        Ok(true)
    }

    async fn roles(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Option<RoomRole>>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let args = [keys::rules(Some(room))].into_iter().chain(users.iter().map(keys::role));
        let found: Vec<Option<String>> = self.link.command("HMGET", args.collect()).await?;
        Ok(found.iter().map(|text| role(text.as_ref())).collect())
    }

    async fn holders(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Holders> {
        let from = after.map_or_else(|| "-".to_owned(), |user| format!("({user}"));
        let keys = vec![keys::rules(Some(room)), keys::holders(room)];
        let reply = HOLDERS.run(&self.link, keys, vec![from, limit.to_string()]).await?;
        let [more, pairs @ ..] = &reply[..] else {
            return Err(anyhow!("the reply about who has a role is too short").into());
        };
        let pairs = pairs.chunks_exact(2);
        let roles = pairs.filter_map(|pair| Some((pair[0].parse().ok()?, role(pair.get(1))?)));
        Ok(Holders { roles: roles.collect(), more: more == "1" })
    }

    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Membership>> {
        let found: Vec<String> = self.link.command("HGETALL", vec![keys::rooms_of(user)]).await?;
        let pairs = found.chunks_exact(2);
        let mut listed: Vec<(RoomId, String)> =
            pairs.filter_map(|pair| Some((pair[0].parse().ok()?, pair[1].clone()))).collect();
        listed.sort();
        let mut rooms = Vec::with_capacity(listed.len());
        for some in listed.chunks(ROOMS_AT_ONCE) {
            let asked = some.iter().map(|of| self.membership(user, of.clone()));
            rooms.extend(try_join_all(asked).await?.into_iter().flatten());
        }
        Ok(rooms)
    }
}
