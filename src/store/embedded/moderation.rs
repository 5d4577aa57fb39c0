//! Moderation in the file: what holds and what was done, in a room or (a room without a name)
//! everywhere.
use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable};

use super::{
    EmbeddedStore,
    tables::{Fault, RECORD, RULES, Tables, seal, unseal},
    writer::Request,
};
use crate::{
    clock,
    domain::{
        id::{RoomId, UserId},
        message::Message,
        moderation::{Act, Measure, Subject},
        room::{RoomRole, Seat},
    },
    error::{Error, Result},
    store::moderation::{Held, LONGEST_RECORD, Laid, MOST_MEASURES, Moderation},
};

/// Fields that are no measure.
pub(super) const VERSION: &str = "version";
const SLOW: &str = "slow";
pub(super) const ANNOUNCE: &str = "announce";
/// How many have a role.
pub(super) const ROLES: &str = "roles";
const FIELDS: [&str; 4] = [VERSION, SLOW, ANNOUNCE, ROLES];
/// What a role's field begins with.
pub(super) const ROLE: &str = "role ";

fn scope(room: Option<&RoomId>) -> &str {
    room.map_or("", RoomId::as_str)
}

/// What the checksum covers besides the text.
fn rule_key(scope: &str, field: &str) -> String {
    format!("rule {scope}, {field}")
}

fn act_key(scope: &str, number: u64) -> String {
    format!("act {scope}, {number}")
}

/// What a user is in a room.
pub(super) fn role(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<RoomRole>, Fault> {
    let name = role_field(user);
    let row = rules.get((room.as_str(), name.as_str()))?;
    row.map(|row| read_role(room, &name, row.value())).transpose()
}

/// A role as its field has it.
pub(super) fn read_role(room: &RoomId, name: &str, bytes: &[u8]) -> Result<RoomRole, Fault> {
    let key = rule_key(room.as_str(), name);
    let text = unseal(&key, bytes)?;
    text.parse().map_err(|_| Fault::Damaged(format!("{key} cannot be read")))
}

pub(super) fn role_field(user: &UserId) -> String {
    format!("{ROLE}{user}")
}

/// One field of what holds.
pub(super) fn field(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    scope: &str,
    name: &str,
) -> Result<Option<String>, Fault> {
    let row = rules.get((scope, name))?;
    row.map(|row| unseal(&rule_key(scope, name), row.value()).map(str::to_owned)).transpose()
}

pub(super) fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The measure against whoever is known as any of these that ends last.
fn against(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    (room, measure): (&RoomId, Measure),
    known_as: &[Subject],
    now: u64,
) -> Result<Option<Act>, Fault> {
    let mut worst: Option<Act> = None;
    for subject in known_as {
        let name = measure.of(subject);
        let Some(text) = field(rules, room.as_str(), &name)? else { continue };
        let act = read(&text, &rule_key(room.as_str(), &name))?;
        let ends = |act: &Act| act.until.unwrap_or(u64::MAX);
        if act.is_in_force(now) && worst.as_ref().is_none_or(|worst| ends(worst) < ends(&act)) {
            worst = Some(act);
        }
    }
    Ok(worst)
}

fn read(text: &str, key: &str) -> Result<Act, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Damaged(format!("{key} cannot be read")))
}

/// The pause between two messages that holds for the author of this one, or why it is not heard.
pub(super) fn pause(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    message: &Message,
    now: u64,
) -> Result<Result<u64>, Fault> {
    let (room, known_as) = (&message.room, &message.terms.known_as);
    // Nearly no public room has any rules: then nothing is asked.
    let is_free = known_as.is_empty() || field(rules, room.as_str(), VERSION)?.is_none();
    if room.is_public() && is_free {
        return Ok(Ok(0));
    }
    let Some(role) = role_in(rules, room, message.author.user())? else {
        return Ok(Err(Error::NotMember));
    };
    if role.moderates() {
        return Ok(Ok(0));
    }
    if let Some(act) = against(rules, (room, Measure::Ban), known_as, now)? {
        return Ok(Err(Error::Banned { retry_after_ms: act.left(now) }));
    }
    if let Some(act) = against(rules, (room, Measure::Mute), known_as, now)? {
        return Ok(Err(Error::Muted { retry_after_ms: act.left(now) }));
    }
    let announce = number(field(rules, room.as_str(), ANNOUNCE)?) == 1;
    if !(Seat { role, announce }).may_speak() {
        return Ok(Err(Error::only_reads()));
    }
    Ok(Ok(number(field(rules, room.as_str(), SLOW)?)))
}

/// What a user is in a room; `None`: it is nobody's who has no role there.
fn role_in(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<RoomRole>, Fault> {
    let role = role(rules, room, user)?;
    Ok(role.or_else(|| room.is_public().then_some(RoomRole::Guest)))
}

/// Does what the act says, and records it. A refusal comes before the first write.
pub(super) fn decide(tables: &mut Tables<'_>, act: &Act) -> Result<Result<()>, Fault> {
    let scope = scope(act.room.as_ref());
    let json = match serde_json::to_string(act) {
        Ok(json) => json,
        Err(error) => return Ok(Err(anyhow::Error::from(error).into())),
    };
    let change = match (act.setting(), act.key()) {
        (Some((name, value)), _) => Some((name.to_owned(), Some(value.to_string()))),
        (None, Some(key)) => Some((key, act.deed.begins().is_some().then(|| json.clone()))),
        (None, None) => None,
    };
    if let Some((key, Some(_))) = &change
        && act.deed.begins().is_some()
        && field(&tables.rules, scope, key)?.is_none()
        && !has_room(tables, scope)?
    {
        return Ok(Err(Error::LimitExceeded("there are as many measures as may be; lift some")));
    }
    match change {
        Some((key, Some(text))) => put(tables, scope, &key, &text)?,
        Some((key, None)) => drop(tables.rules.remove((scope, key.as_str()))?),
        None => {}
    }
    record(tables, scope, &json)?;
    Ok(Ok(()))
}

/// Keeps an act on record.
pub(super) fn record(tables: &mut Tables<'_>, scope: &str, json: &str) -> Result<(), Fault> {
    let version = number(field(&tables.rules, scope, VERSION)?) + 1;
    put(tables, scope, VERSION, &version.to_string())?;
    tables.record.insert((scope, version), seal(&act_key(scope, version), json).as_slice())?;
    if let Some(old) = version.checked_sub(LONGEST_RECORD as u64) {
        tables.record.remove((scope, old))?;
    }
    Ok(())
}

pub(super) fn put(
    tables: &mut Tables<'_>,
    scope: &str,
    name: &str,
    text: &str,
) -> Result<(), Fault> {
    tables.rules.insert((scope, name), seal(&rule_key(scope, name), text).as_slice())?;
    Ok(())
}

/// Whether one more measure may begin, after those that are over have been forgotten.
fn has_room(tables: &mut Tables<'_>, scope: &str) -> Result<bool, Fault> {
    let now = clock::now_ms();
    let (all, over) = {
        let found = measures(&tables.rules, scope)?;
        let over: Vec<String> =
            found.iter().filter(|act| !act.is_in_force(now)).filter_map(Act::key).collect();
        (found.len(), over)
    };
    if all < MOST_MEASURES {
        return Ok(true);
    }
    for key in &over {
        tables.rules.remove((scope, key.as_str()))?;
    }
    Ok(!over.is_empty())
}

fn measures(
    rules: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    scope: &str,
) -> Result<Vec<Act>, Fault> {
    let mut acts = Vec::new();
    for row in rules.range((scope, "")..)? {
        let (key, value) = row?;
        let (of, name) = key.value();
        if of != scope {
            break;
        }
        if !(FIELDS.contains(&name) || name.starts_with(ROLE)) {
            let key = rule_key(scope, name);
            acts.push(read(unseal(&key, value.value())?, &key)?);
        }
    }
    Ok(acts)
}

fn newest(txn: &ReadTransaction, scope: &str, limit: usize) -> Result<Vec<Act>, Fault> {
    let record = txn.open_table(RECORD)?;
    let mut acts = Vec::new();
    for row in record.range((scope, 0)..=(scope, u64::MAX))?.rev().take(limit) {
        let (key, value) = row?;
        let key = act_key(scope, key.value().1);
        acts.push(read(unseal(&key, value.value())?, &key)?);
    }
    Ok(acts)
}

#[async_trait]
impl Moderation for EmbeddedStore {
    async fn decide(&self, act: &Act) -> Result<()> {
        self.ask(|reply| Request::Decide(act.clone(), reply)).await
    }

    async fn laid(&self, room: Option<&RoomId>) -> Result<Laid> {
        let room = room.cloned();
        let laid = move |txn: &ReadTransaction| {
            let (rules, scope) = (txn.open_table(RULES)?, scope(room.as_ref()));
            let version = number(field(&rules, scope, VERSION)?);
            let now = clock::now_ms();
            let mut acts = measures(&rules, scope)?;
            acts.retain(|act| act.is_in_force(now));
            Ok(Laid { version, acts })
        };
        self.disk.read(laid).await
    }

    async fn version(&self) -> Result<u64> {
        let version =
            |txn: &ReadTransaction| Ok(number(field(&txn.open_table(RULES)?, "", VERSION)?));
        self.disk.read(version).await
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<u64>> {
        let rooms = rooms.to_vec();
        let versions = move |txn: &ReadTransaction| {
            let rules = txn.open_table(RULES)?;
            let of = |room: &RoomId| Ok(number(field(&rules, room.as_str(), VERSION)?));
            rooms.iter().map(of).collect()
        };
        self.disk.read(versions).await
    }

    async fn held(&self, room: &RoomId, user: &UserId, known_as: &[Subject]) -> Result<Held> {
        let (room, user, known_as) = (room.clone(), user.clone(), known_as.to_vec());
        let held = move |txn: &ReadTransaction| {
            let (rules, now) = (txn.open_table(RULES)?, clock::now_ms());
            Ok(Held {
                ban: against(&rules, (&room, Measure::Ban), &known_as, now)?,
                mute: against(&rules, (&room, Measure::Mute), &known_as, now)?,
                role: role(&rules, &room, &user)?,
                announce: number(field(&rules, room.as_str(), ANNOUNCE)?) == 1,
                is_founded: number(field(&rules, room.as_str(), ROLES)?) > 0,
            })
        };
        self.disk.read(held).await
    }

    async fn record(&self, room: Option<&RoomId>, limit: usize) -> Result<Vec<Act>> {
        let room = room.cloned();
        self.disk.read(move |txn| newest(txn, scope(room.as_ref()), limit)).await
    }
}
