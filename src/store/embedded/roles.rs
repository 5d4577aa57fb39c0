//! Roles in the file: fields of the room's rules, and for each user the rooms that are theirs.
use std::ops::Bound;

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable as _};

use super::{
    EmbeddedStore,
    moderation::{ANNOUNCE, ROLE, ROLES, field, number, put, read_role, record, role, role_field},
    tables::{Fault, RULES, THEIRS, Tables, meta_of, seal, unseal},
    writer::Request,
};
use crate::{
    domain::{
        id::{RoomId, UserId},
        room::{Membership, RoomRole},
    },
    error::{Error, Result},
    store::roles::{Change, Holders, MOST_ROLES, Roles, peer},
};

/// What the checksum covers besides the text.
fn key(user: &UserId, room: &str) -> String {
    format!("room {room} of user {user}")
}

/// Does what it says, if all is as it was seen. A refusal comes before the first write.
pub(super) fn change(tables: &mut Tables<'_>, change: &Change) -> Result<Result<bool>, Fault> {
    let (Some(room), Ok(json)) = (&change.act.room, serde_json::to_string(&change.act)) else {
        return Ok(Err(anyhow::anyhow!("roles are changed in a room").into()));
    };
    let has = number(field(&tables.rules, room.as_str(), ROLES)?);
    let is_there =
        || Ok::<_, Fault>(has > 0 || meta_of(&tables.rooms, &tables.entries, room)?.is_some());
    if change.is_new && is_there()? {
        return Ok(Ok(false));
    }
    for (user, seen) in &change.seen {
        if role(&tables.rules, room, user)? != *seen {
            return Ok(Ok(false));
        }
    }
    let mut will_have = has;
    for (user, becomes) in &change.becomes {
        match (role(&tables.rules, room, user)?, becomes) {
            (None, Some(_)) => will_have += 1,
            (Some(_), None) => will_have -= 1,
            _ => {}
        }
        if becomes.is_some() && !room.is_public() && !has_place(tables, (user, room), change)? {
            return Ok(Err(Error::LimitExceeded("as many rooms as one user may be in")));
        }
    }
    if will_have > has && will_have > MOST_ROLES as u64 {
        return Ok(Err(Error::LimitExceeded("as many have a role in this room as may")));
    }
    for (user, becomes) in &change.becomes {
        set(tables, (user, room), *becomes, change)?;
    }
    put(tables, room.as_str(), ROLES, &will_have.to_string())?;
    if change.act.announce == Some(true) {
        put(tables, room.as_str(), ANNOUNCE, "1")?;
    }
    record(tables, room.as_str(), &json)?;
    Ok(Ok(true))
}

/// Whether the room is among the user's, or one more may be.
fn has_place(
    tables: &Tables<'_>,
    (user, room): (&UserId, &RoomId),
    change: &Change,
) -> Result<bool, Fault> {
    if tables.theirs.get((user.as_str(), room.as_str()))?.is_some() {
        return Ok(true);
    }
    let mut has = 0;
    for row in tables.theirs.range((user.as_str(), "")..)? {
        if row?.0.value().0 != user.as_str() {
            break;
        }
        has += 1;
    }
    Ok(has < change.most_rooms)
}

fn set(
    tables: &mut Tables<'_>,
    (user, room): (&UserId, &RoomId),
    becomes: Option<RoomRole>,
    change: &Change,
) -> Result<(), Fault> {
    let theirs = (user.as_str(), room.as_str());
    let Some(becomes) = becomes else {
        tables.rules.remove((room.as_str(), role_field(user).as_str()))?;
        tables.theirs.remove(theirs)?;
        return Ok(());
    };
    put(tables, room.as_str(), &role_field(user), becomes.into())?;
    if !room.is_public() {
        let with = peer(change, user).map_or("", UserId::as_str);
        tables.theirs.insert(theirs, seal(&key(user, room.as_str()), with).as_slice())?;
    }
    Ok(())
}

/// Who has a role in a room, after this user. The fields of roles lie next to each other, by user.
fn holders(
    txn: &ReadTransaction,
    room: &RoomId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Holders, Fault> {
    let fields = txn.open_table(RULES)?;
    let last = after.map_or_else(|| ROLE.to_owned(), role_field);
    let rest = (Bound::Excluded((room.as_str(), last.as_str())), Bound::Unbounded);
    let mut roles = Vec::new();
    for row in fields.range::<(&str, &str)>(rest)? {
        let (at, value) = row?;
        let (of, name) = at.value();
        let Some(user) = name.strip_prefix(ROLE).filter(|_| of == room.as_str()) else { break };
        if roles.len() == limit {
            return Ok(Holders { roles, more: true });
        }
        let is_none = |_| Fault::Damaged(format!("room {of} has a role of nobody"));
        roles.push((user.parse().map_err(is_none)?, read_role(room, name, value.value())?));
    }
    Ok(Holders { roles, more: false })
}

/// The rooms of a user, each with what it is there.
fn theirs(txn: &ReadTransaction, user: &UserId) -> Result<Vec<Membership>, Fault> {
    let (list, rules) = (txn.open_table(THEIRS)?, txn.open_table(RULES)?);
    let mut rooms = Vec::new();
    for row in list.range((user.as_str(), "")..)? {
        let (at, value) = row?;
        let (of, name) = at.value();
        if of != user.as_str() {
            break;
        }
        let key = key(user, name);
        let with = unseal(&key, value.value())?.parse().ok();
        let room: RoomId = name.parse().map_err(|_| Fault::Damaged(format!("{key} is none")))?;
        let Some(role) = role(&rules, &room, user)? else {
            return Err(Fault::Damaged(format!("{key} has no role behind it")));
        };
        let announce = number(field(&rules, name, ANNOUNCE)?) == 1;
        rooms.push(Membership { room, role, announce, with });
    }
    Ok(rooms)
}

#[async_trait]
impl Roles for EmbeddedStore {
    async fn change(&self, change: &Change) -> Result<bool> {
        self.ask(|reply| Request::Change(change.clone(), reply)).await
    }

    async fn roles(&self, room: &RoomId, users: &[UserId]) -> Result<Vec<Option<RoomRole>>> {
        let (room, users) = (room.clone(), users.to_vec());
        let roles = move |txn: &ReadTransaction| {
            let rules = txn.open_table(RULES)?;
            users.iter().map(|user| role(&rules, &room, user)).collect()
        };
        self.disk.read(roles).await
    }

    async fn holders(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Holders> {
        let (room, after) = (room.clone(), after.cloned());
        self.disk.read(move |txn| holders(txn, &room, after.as_ref(), limit)).await
    }

    async fn rooms_of(&self, user: &UserId) -> Result<Vec<Membership>> {
        let user = user.clone();
        self.disk.read(move |txn| theirs(txn, &user)).await
    }
}
