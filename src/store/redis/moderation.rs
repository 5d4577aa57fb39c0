//! Moderation in Redis: a hash of what holds and a stream of what was done, for each room and for
//! everywhere.
use std::collections::HashMap;

use anyhow::anyhow;
use async_trait::async_trait;
use futures_util::future::try_join_all;

use super::{RedisStore, keys, roles::role};
use crate::{
    adapter::envelope,
    clock,
    domain::{
        id::{RoomId, UserId},
        moderation::{Act, Measure, Subject},
    },
    error::{Error, Result},
    redis::{GLOBAL_CHANNEL, Script, room_channel},
    store::moderation::{Held, LONGEST_RECORD, Laid, MOST_MEASURES, Moderation},
};

static DECIDE: Script = Script::new(include_str!("scripts/decide.lua"));
static RECORD: Script = Script::new(
    "local reply = {}\nfor _, found in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', \
                 'COUNT', ARGV[1])) do reply[#reply + 1] = found[2][2] end\nreturn reply",
);

/// The fields by which a room's append asks what holds against its author: a ban and a mute each.
pub(super) fn fields(known_as: &[Subject]) -> impl Iterator<Item = String> + '_ {
    known_as.iter().flat_map(|subject| [Measure::Ban.of(subject), Measure::Mute.of(subject)])
}

/// `<end> <json of the act>`, if it is in force.
fn in_force(value: &str, now: u64) -> Option<Act> {
    let (_, json) = value.split_once(' ')?;
    let act: Act = serde_json::from_str(json).ok()?;
    act.is_in_force(now).then_some(act)
}

impl RedisStore {
    async fn version_of(&self, room: Option<&RoomId>) -> Result<u64> {
        let args = vec![keys::rules(room), "version".to_owned()];
        let version: Option<u64> = self.link.command("HGET", args).await?;
        Ok(version.unwrap_or(0))
    }
}

#[async_trait]
impl Moderation for RedisStore {
    async fn decide(&self, act: &Act) -> Result<()> {
        let json = serde_json::to_string(act).map_err(anyhow::Error::from)?;
        let key = act.key().unwrap_or_default();
        let (what, field, number) = match (act.setting(), act.deed) {
            (Some((field, value)), _) => ("set", field, value),
            (_, deed) if deed.begins().is_some() => ("begin", &*key, act.until.unwrap_or(0)),
            (_, deed) if deed.lifts().is_some() => ("lift", &*key, 0),
            _ => ("note", &*key, 0),
        };
        let room = act.room.as_ref();
        let channel =
            room.map_or_else(|| GLOBAL_CHANNEL.to_owned(), |room| room_channel(room.as_str()));
        let args = vec![
            what.to_owned(),
            field.to_owned(),
            number.to_string(),
            json,
            // Four more are the version, how many roles there are, and two settings.
            (MOST_MEASURES + 4).to_string(),
            LONGEST_RECORD.to_string(),
            channel,
            envelope::act(act),
        ];
        let reply =
            DECIDE.run(&self.link, vec![keys::rules(room), keys::record(room)], args).await?;
        match reply.first().map(String::as_str) {
            Some("OK") => Ok(()),
            Some("FULL") => {
                Err(Error::LimitExceeded("there are as many measures as may be; lift some"))
            }
            _ => Err(anyhow!("unknown reply to an act: {reply:?}").into()),
        }
    }

    async fn laid(&self, room: Option<&RoomId>) -> Result<Laid> {
        let found: Vec<String> = self.link.command("HGETALL", vec![keys::rules(room)]).await?;
        let found: HashMap<&str, &str> =
            found.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        let now = clock::now_ms();
        Ok(Laid {
            version: found.get("version").and_then(|text| text.parse().ok()).unwrap_or(0),
            acts: found.values().filter_map(|value| in_force(value, now)).collect(),
        })
    }

    async fn version(&self) -> Result<u64> {
        self.version_of(None).await
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<u64>> {
        try_join_all(rooms.iter().map(|room| self.version_of(Some(room)))).await
    }

    async fn held(&self, room: &RoomId, user: &UserId, known_as: &[Subject]) -> Result<Held> {
        let own = [keys::role(user), "announce".to_owned(), "roles".to_owned()];
        let args = [keys::rules(Some(room))].into_iter().chain(own).chain(fields(known_as));
        let found: Vec<Option<String>> = self.link.command("HMGET", args.collect()).await?;
        let [own, announce, roles, measures @ ..] = &found[..] else {
            return Err(anyhow!("a room's rules cannot be read: {found:?}").into());
        };
        let now = clock::now_ms();
        let of = |measure: usize| {
            let values = measures.iter().skip(measure).step_by(2).flatten();
            values
                .filter_map(|value| in_force(value, now))
                .max_by_key(|act| act.until.unwrap_or(u64::MAX))
        };
        Ok(Held {
            ban: of(0),
            mute: of(1),
            role: role(own.as_ref()),
            announce: announce.as_deref() == Some("1"),
            is_founded: roles.as_deref().is_some_and(|roles| roles != "0"),
        })
    }

    async fn record(&self, room: Option<&RoomId>, limit: usize) -> Result<Vec<Act>> {
        let reply =
            RECORD.run(&self.link, vec![keys::record(room)], vec![limit.to_string()]).await?;
        Ok(reply.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }
}
