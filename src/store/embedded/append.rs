//! One append within a write transaction: idempotency, number, entry, retention.
use std::{sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use redb::ReadableTable as _;
use sha2::{Digest as _, Sha256};

use super::tables::{Fault, Meta, Remembered, Tables, entry_key, meta_of, seal, unseal};
use super::{moderation, paces::Paces};
use crate::{
    adapter::envelope,
    clock,
    config::store::Store,
    domain::{
        id::RoomId,
        message::{Entry, Message},
        position::Position,
        trace::TraceParent,
    },
    error::{Error, Result},
    store::log::Appended,
};

/// The most entries, and the most mids, that one append forgets.
const TRIMMED: usize = 100;

/// For how long what is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    idempotency: u64,
    messages: u64,
    age: Option<u64>,
}

impl Rules {
    pub(super) fn of(config: &Store) -> Self {
        Self {
            idempotency: millis(config.idempotency),
            messages: config.retention_messages.max(1),
            age: (!config.retention_age.is_zero()).then(|| millis(config.retention_age)),
        }
    }

    /// Entries from before this time are no longer kept.
    pub(super) fn oldest(&self, now: u64) -> Option<u64> {
        self.age.map(|age| now.saturating_sub(age))
    }

    /// The lowest number that the count alone would keep.
    pub(super) fn lowest(&self, head: u64) -> u64 {
        head.saturating_sub(self.messages) + 1
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What came of one append; the entry, if one was written.
pub(super) type Step = (Appended, Option<Arc<Entry>>);

/// Appends. A refusal, or damage in what it has to know, comes before the first write, so it
/// concerns this append alone; any other fault ends the transaction.
pub(super) fn append(
    tables: &mut Tables<'_>,
    (rules, paces): (&Rules, &mut Paces),
    (message, trace): (&Message, Option<TraceParent>),
) -> Result<Result<Step>, Fault> {
    let now = clock::now_ms();
    let before = match known(tables, (rules, paces), message, now) {
        Ok(Known::Dup(step)) => return Ok(Ok(step)),
        Ok(Known::Refused(error)) => return Ok(Err(error)),
        Ok(Known::New(before)) => before,
        Err(fault @ Fault::Damaged(_)) => return Ok(Err(Error::Internal(fault.into()))),
        Err(fault) => return Err(fault),
    };
    let (mut meta, forgets) = before;
    meta.head += 1;
    meta.mid = Some(message.mid.clone());
    let entry = write_entry(tables, &meta, (message, trace), now)?;
    remember(tables, rules, &entry, (fingerprint(message), forgets))?;
    trim(tables, rules, &message.room, (&mut meta, now))?;
    tables.rooms.insert(message.room.as_str(), meta.write(&message.room).as_slice())?;
    forget(tables, now)?;
    let appended =
        Appended { position: entry.position.clone(), ts: now, dup: false, heard_by: None };
    Ok(Ok((appended, Some(entry))))
}

enum Known {
    Dup(Step),
    Refused(Error),
    /// The room as it is, and when an ended memory of this mid ended.
    New((Meta, Option<u64>)),
}

/// Everything that can refuse.
fn known(
    tables: &Tables<'_>,
    (rules, paces): (&Rules, &mut Paces),
    message: &Message,
    now: u64,
) -> Result<Known, Fault> {
    let Message { room, mid, author, .. } = message;
    let row = tables.mids.get((room.as_str(), author.user().as_str(), mid.as_str()))?;
    let before = match &row {
        Some(row) => Some(Remembered::read((room, author.user(), mid), row.value())?),
        None => None,
    };
    let forgets = match before {
        Some(before) if before.ends > now => {
            if before.hash != fingerprint(message) {
                return Ok(Known::Refused(Error::IdempotencyConflict));
            }
            let Remembered { position, ts, .. } = before;
            return Ok(Known::Dup((Appended { position, ts, dup: true, heard_by: None }, None)));
        }
        ended => ended.map(|before| before.ends),
    };
    if mid.made_at_ms().is_some_and(|made| made.saturating_add(rules.idempotency) <= now) {
        return Ok(Known::Refused(Error::Expired));
    }
    let pause = match moderation::pause(&tables.rules, message, now)? {
        Ok(pause) => pause,
        Err(held_back) => return Ok(Known::Refused(held_back)),
    };
    let meta = meta_of(&tables.rooms, &tables.entries, room)?.unwrap_or_else(|| Meta {
        epoch: clock::new_epoch(),
        head: 0,
        first: 1,
        mid: None,
    });
    if let Err(too_fast) = paces.take(message, pause) {
        return Ok(Known::Refused(too_fast));
    }
    Ok(Known::New((meta, forgets)))
}

/// Tells author and text from others under the same mid.
fn fingerprint(message: &Message) -> String {
    let mut hash = Sha256::new();
    hash.update(message.author.user().as_str());
    hash.update([0]);
    hash.update(message.text.as_str());
    HEXLOWER.encode(&hash.finalize())
}

fn write_entry(
    tables: &mut Tables<'_>,
    meta: &Meta,
    (message, trace): (&Message, Option<TraceParent>),
    ts: u64,
) -> Result<Arc<Entry>, Fault> {
    let seq = meta.head;
    let text = envelope::entry(&meta.epoch, seq, ts, &envelope::entry_tail(message, trace));
    let value = seal(&entry_key(&message.room, seq), &text);
    tables.entries.insert((message.room.as_str(), seq), value.as_slice())?;
    Ok(Arc::new(Entry {
        room: message.room.clone(),
        position: Position { epoch: meta.epoch.clone(), seq },
        ts,
        mid: message.mid.clone(),
        author: message.author.clone(),
        text: message.text.clone(),
        trace,
    }))
}

fn remember(
    tables: &mut Tables<'_>,
    rules: &Rules,
    entry: &Entry,
    (hash, forgets): (String, Option<u64>),
) -> Result<(), Fault> {
    let key = (&entry.room, entry.author.user(), &entry.mid);
    let (room, user, mid) = (key.0.as_str(), key.1.as_str(), key.2.as_str());
    if let Some(ended) = forgets {
        tables.mids_by_end.remove((ended, room, user, mid))?;
    }
    let ends = entry.ts.saturating_add(rules.idempotency);
    let row = Remembered { position: entry.position.clone(), ts: entry.ts, ends, hash };
    tables.mids.insert((room, user, mid), row.write(key).as_slice())?;
    tables.mids_by_end.insert((ends, room, user, mid), ())?;
    Ok(())
}

/// Takes what is no longer kept from the front of the room, a bounded number at a time.
fn trim(
    tables: &mut Tables<'_>,
    rules: &Rules,
    room: &RoomId,
    (meta, now): (&mut Meta, u64),
) -> Result<(), Fault> {
    let lowest = rules.lowest(meta.head);
    let oldest = rules.oldest(now);
    for _ in 0..TRIMMED {
        let goes = meta.first < lowest
            || oldest.is_some_and(|oldest| is_older(tables, room, meta.first, oldest));
        if !goes || meta.first > meta.head {
            break;
        }
        tables.entries.remove((room.as_str(), meta.first))?;
        meta.first += 1;
    }
    Ok(())
}

/// A damaged entry has no age: it stays, and says so to whoever reads it.
fn is_older(tables: &Tables<'_>, room: &RoomId, seq: u64, oldest: u64) -> bool {
    let Ok(Some(row)) = tables.entries.get((room.as_str(), seq)) else { return false };
    let text = unseal(&entry_key(room, seq), row.value());
    text.ok().and_then(time_of).is_some_and(|ts| ts < oldest)
}

/// The time in an entry's envelope.
pub(super) fn time_of(envelope: &str) -> Option<u64> {
    envelope.split(' ').nth(3)?.parse().ok()
}

/// Forgets mids whose time has come, a bounded number at a time.
fn forget(tables: &mut Tables<'_>, now: u64) -> Result<(), Fault> {
    let mut ended = Vec::new();
    for row in tables.mids_by_end.range(..(now, "", "", ""))?.take(TRIMMED) {
        let (ends, room, user, mid) = {
            let (key, ()) = row.map(|(key, _)| (key, ()))?;
            let (ends, room, user, mid) = key.value();
            (ends, room.to_owned(), user.to_owned(), mid.to_owned())
        };
        ended.push((ends, room, user, mid));
    }
    for (ends, room, user, mid) in &ended {
        tables.mids_by_end.remove((*ends, room.as_str(), user.as_str(), mid.as_str()))?;
        tables.mids.remove((room.as_str(), user.as_str(), mid.as_str()))?;
    }
    Ok(())
}
