//! `room:join`: enters a room, reads on from where one was, and hears it from there.
use std::{fmt, marker::PhantomData, sync::Arc};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Answer, Caller, ClientEvent, message_history, message_new::MessageNew};
use crate::{
    domain::{
        Invalid,
        id::{Epoch, RoomId},
        message::Entry,
        position::{Cursor, ResetReason},
        room::{Place, RoomRole},
    },
    error::{Error, Result},
    policy::{moderation::Entry as Admitted, seats::FOR_EVER},
    rooms::Past,
    state::AppState,
    store::log::LONGEST_PAGE,
};

/// How many a page may have: 1 to 200, or else 50.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
pub struct PageSize(usize);

impl PageSize {
    pub fn get(self) -> usize {
        self.0
    }
}
impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}
impl TryFrom<u64> for PageSize {
    type Error = Invalid;
    fn try_from(limit: u64) -> Result<Self, Invalid> {
        match usize::try_from(limit) {
            Ok(limit @ 1..=LONGEST_PAGE) => Ok(Self(limit)),
            _ => Err(Invalid("a limit is 1 to 200")),
        }
    }
}

/// Enters a room, reads on from where one was, and hears it live from there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomJoin {
    room: RoomId,
    /// The last message one has; without it the newest page is read.
    #[serde(default, deserialize_with = "object")]
    since: Option<Cursor>,
    #[serde(default)]
    limit: PageSize,
}

/// An object or nothing: serde would also take a struct from an array, its fields in order.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    from.deserialize_any(Object(PhantomData))
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomJoined {
    /// `null`: nobody has ever written here.
    pub epoch: Option<Epoch>,
    /// The number of the last message; 0: there is none.
    pub head: u64,
    /// The oldest number still kept.
    pub first: u64,
    #[serde(serialize_with = "message_history::page")]
    #[schemars(with = "Vec<MessageNew<'static>>")]
    pub messages: Vec<Arc<Entry>>,
    /// The last number this page covers; what lies after it is heard live, or is paged if `has_more`.
    pub upto: u64,
    /// More lies after `upto`; page it with `message:history`.
    pub has_more: bool,
    /// What came right after `since` is gone; this is the newest page.
    pub truncated: bool,
    /// What one has is not this log's past; forget it: this is the newest page.
    pub reset: bool,
    /// Why, if `reset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ResetReason>,
    /// Users in the room.
    pub count: u64,
    pub me: Me,
}

/// What one is in this room.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Me {
    pub role: RoomRole,
    /// Only the owner and moderators speak here.
    pub announce: bool,
    /// Until when one may not speak here, ms since 1970; 9007199254740991: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<u64>,
}

impl ClientEvent for RoomJoin {
    const NAME: &'static str = "room:join";
    type Ack = RoomJoined;
    const IS_ASKED_AT_ONCE: bool = true;

    async fn handle(self, caller: &Caller, app: &AppState) -> Result<Answer<RoomJoined>> {
        caller.buckets.join()?;
        self.may_enter(caller, app).await?;
        let entered = app.rooms.enter(&caller.connection, &self.room)?;
        let standing = &caller.connection.standing;
        let (ready, entry) =
            tokio::join!(entered.ready(), app.moderation.may_enter(&self.room, standing));
        ready?;
        let Admitted { seat, mute, .. } = match entry {
            Ok(entry) => entry,
            Err(error) => {
                drop(entered);
                return Err(self.is_out(error, caller, app).await);
            }
        };
        caller.connection.take_seat(&self.room, seat);
        let muted_until = mute.map(|act| act.until.unwrap_or(FOR_EVER));
        let place = Place::Room(self.room.clone());
        let read = async {
            let count = app.presence.enter(&place, &caller.member()).await?.count;
            let limit = self.limit.get();
            Ok::<_, Error>((count, entered.read(self.since.as_ref(), limit).await?))
        };
        let (count, past) = match read.await {
            Ok(read) => read,
            Err(error) => {
                if !entered.was_member() {
                    app.presence.leave(&place, &caller.connection.id, false).await;
                }
                return Err(error);
            }
        };
        if !caller.connection.is_in(&self.room) {
            // Sent out meanwhile.
            app.presence.leave(&place, &caller.connection.id, false).await;
            let says = app.moderation.may_enter(&self.room, standing).await.err();
            return Err(says.unwrap_or(Error::Banned { retry_after_ms: None }));
        }
        let me = Me { role: seat.role, announce: seat.announce, muted_until };
        let joined = joined(past, count, me);
        let read = joined.epoch.clone().map(|epoch| (epoch, joined.upto));
        let head = joined.head;
        Ok(Answer::then(joined, move || entered.go_live(read.as_ref(), head)))
    }
}

impl RoomJoin {
    async fn may_enter(&self, caller: &Caller, app: &AppState) -> Result<()> {
        if caller.connection.is_in(&self.room) {
            return Ok(());
        }
        if caller.connection.rooms().len() >= app.config.limits.rooms_per_connection {
            return Err(Error::LimitExceeded("this connection is in as many rooms as it may be"));
        }
        let is_public = self.room.is_public();
        if is_public && app.config.rooms.open {
            return Ok(());
        }
        caller.buckets.guess()?;
        match app.moderation.may_enter(&self.room, &caller.connection.standing).await {
            Ok(entry) if entry.is_founded => return Ok(()),
            Ok(_) => {
                let heads = app.log.heads(std::slice::from_ref(&self.room)).await?;
                if !heads.iter().all(Option::is_none) {
                    return Ok(());
                }
            }
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        caller.buckets.miss()?;
        Err(Error::NotFound)
    }

    /// Who comes in again and may not: word that they are out was lost.
    async fn is_out(&self, error: Error, caller: &Caller, app: &AppState) -> Error {
        if matches!(error, Error::NotFound | Error::Banned { .. }) {
            app.rooms.leave(&caller.connection, &self.room);
            let place = Place::Room(self.room.clone());
            app.presence.leave(&place, &caller.connection.id, false).await;
        }
        error
    }
}

fn joined(past: Past, count: u64, me: Me) -> RoomJoined {
    let head = past.head.as_ref().map_or(0, |head| head.seq);
    // Where entries are missing at the end they are no more; where more follow, they are paged.
    let upto = match past.entries.last() {
        Some(last) if past.more_after => last.position.seq,
        _ => head,
    };
    RoomJoined {
        epoch: past.head.map(|head| head.epoch),
        head,
        first: past.first,
        messages: past.entries,
        upto,
        has_more: past.more_after,
        truncated: past.truncated,
        reset: past.reset.is_some(),
        reason: past.reset,
        count,
        me,
    }
}
