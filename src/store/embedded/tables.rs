//! What lies in the file: the tables, how a row is written, and how it is known to be undamaged.
//!
//! redb does not check a page when it reads one, so every row carries a checksum over its key and
//! its text: a flipped byte is an error, never another message.
use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use redb::{
    Database, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _, Table,
    TableDefinition, TableHandle as _, WriteTransaction,
};

use crate::domain::{
    id::{Epoch, MessageId, RoomId, UserId},
    position::{Head, Position},
};

/// What this release writes; a file with a larger number is from a newer one.
pub(super) const SCHEMA: u32 = 3;
/// The oldest whose files are taken; they are of this schema from then on. The first had no
/// moderation, and the second no roles.
const OLDEST: u32 = 1;

/// (room, seq) → the envelope, as every node reads it.
pub(super) const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("entries");
/// room → [`Meta`].
pub(super) const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rooms");
/// (room, author, mid) → [`Remembered`].
pub(super) const MIDS: TableDefinition<'_, (&str, &str, &str), &[u8]> =
    TableDefinition::new("mids");
/// The keys of [`MIDS`] by when they end.
pub(super) const MIDS_BY_END: TableDefinition<'_, (u64, &str, &str, &str), ()> =
    TableDefinition::new("mids_by_end");
/// (room, or nothing: everywhere; measure and subject) → json of Act; or another field, such as
/// (room; `role` and user) → what it is there.
pub(super) const RULES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("rules");
/// (room, or nothing; number) → json of Act.
pub(super) const RECORD: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("record");
/// (user, room that is not public) → with whom, if it is a conversation of two.
pub(super) const THEIRS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("theirs");
/// Facts about the store itself: its schema, the guests' key.
pub(super) const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");

/// Why the file could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// redb or the disk below it.
    #[error(transparent)]
    Store(redb::Error),
    /// What is there is not what was put there.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

macro_rules! from_redb {
    ($($error:ident)*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Store(error.into())
            }
        })*
    };
}
from_redb!(StorageError TableError TransactionError CommitError SetDurabilityError);

/// A row's value: a checksum over its key and its text, and the text.
pub(super) fn seal(key: &str, text: &str) -> Vec<u8> {
    let mut bytes = checksum(key, text.as_bytes()).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The text of a row, if it is what was written under this key.
pub(super) fn unseal<'a>(key: &str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    let damaged = || Fault::Damaged(format!("the checksum of {key} is wrong"));
    let (sum, text) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    if checksum(key, text) != u32::from_le_bytes(*sum) {
        return Err(damaged());
    }
    str::from_utf8(text).map_err(|_| damaged())
}

fn checksum(key: &str, text: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key.as_bytes());
    sum.update(&[0]);
    sum.update(text);
    sum.finalize()
}

/// An entry's key, as the checksum covers it and as an error names it.
pub(super) fn entry_key(room: &RoomId, seq: u64) -> String {
    format!("room {room}, seq {seq}")
}

/// What a room's log is, next to its entries.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub(super) epoch: Epoch,
    pub(super) head: u64,
    /// The oldest number still stored; head + 1 when none is.
    pub(super) first: u64,
    /// Mid of the head; `None` before the first entry.
    pub(super) mid: Option<MessageId>,
}

impl Meta {
    pub(super) fn to_head(&self) -> Head {
        Head { epoch: self.epoch.clone(), seq: self.head, mid: self.mid.clone() }
    }

    pub(super) fn write(&self, room: &RoomId) -> Vec<u8> {
        let mid = self.mid.as_ref().map_or("", MessageId::as_str);
        let text = format!("{} {} {} {mid}", self.epoch, self.head, self.first);
        seal(&format!("room {room}"), &text)
    }

    pub(super) fn read(room: &RoomId, bytes: &[u8]) -> Result<Self, Fault> {
        let key = format!("room {room}");
        let text = unseal(&key, bytes)?;
        let parse = || {
            let mut parts = text.split(' ');
            Some(Self {
                epoch: parts.next()?.parse().ok()?,
                head: parts.next()?.parse().ok()?,
                first: parts.next()?.parse().ok()?,
                mid: parts.next().and_then(|mid| mid.parse().ok()),
            })
        };
        parse().ok_or_else(|| Fault::Damaged(format!("{key} cannot be read")))
    }
}

/// A room's [`Meta`]. A room without one must have no entries either.
pub(super) fn meta_of(
    rooms: &impl ReadableTable<&'static str, &'static [u8]>,
    entries: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
    room: &RoomId,
) -> Result<Option<Meta>, Fault> {
    if let Some(row) = rooms.get(room.as_str())? {
        return Meta::read(room, row.value()).map(Some);
    }
    if entries.range((room.as_str(), 0)..=(room.as_str(), u64::MAX))?.next().is_some() {
        return Err(Fault::Damaged(format!("room {room} has entries but no head")));
    }
    Ok(None)
}

/// What became of a mid, for as long as a retry is recognised.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) position: Position,
    pub(super) ts: u64,
    /// When this may be forgotten, ms since 1970.
    pub(super) ends: u64,
    /// Fingerprint of author and text.
    pub(super) hash: String,
}

/// Room, author and mid: within which a retry is a retry.
pub(super) type MidKey<'a> = (&'a RoomId, &'a UserId, &'a MessageId);

fn mid_key((room, user, mid): MidKey<'_>) -> String {
    format!("room {room}, user {user}, mid {mid}")
}

impl Remembered {
    pub(super) fn write(&self, key: MidKey<'_>) -> Vec<u8> {
        let Position { epoch, seq } = &self.position;
        let text = format!("{epoch} {seq} {} {} {}", self.ts, self.ends, self.hash);
        seal(&mid_key(key), &text)
    }

    pub(super) fn read(key: MidKey<'_>, bytes: &[u8]) -> Result<Self, Fault> {
        let key = mid_key(key);
        let text = unseal(&key, bytes)?;
        let parse = || {
            let mut parts = text.split(' ');
            let epoch = parts.next()?.parse().ok()?;
            let seq = parts.next()?.parse().ok()?;
            Some(Self {
                position: Position { epoch, seq },
                ts: parts.next()?.parse().ok()?,
                ends: parts.next()?.parse().ok()?,
                hash: parts.next()?.to_owned(),
            })
        };
        parse().ok_or_else(|| Fault::Damaged(format!("{key} cannot be read")))
    }
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) entries: Table<'t, (&'static str, u64), &'static [u8]>,
    pub(super) rooms: Table<'t, &'static str, &'static [u8]>,
    pub(super) mids: Table<'t, (&'static str, &'static str, &'static str), &'static [u8]>,
    pub(super) mids_by_end: Table<'t, (u64, &'static str, &'static str, &'static str), ()>,
    pub(super) rules: Table<'t, (&'static str, &'static str), &'static [u8]>,
    pub(super) record: Table<'t, (&'static str, u64), &'static [u8]>,
    pub(super) theirs: Table<'t, (&'static str, &'static str), &'static [u8]>,
    pub(super) about: Table<'t, &'static str, &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            entries: txn.open_table(ENTRIES)?,
            rooms: txn.open_table(ROOMS)?,
            mids: txn.open_table(MIDS)?,
            mids_by_end: txn.open_table(MIDS_BY_END)?,
            rules: txn.open_table(RULES)?,
            record: txn.open_table(RECORD)?,
            theirs: txn.open_table(THEIRS)?,
            about: txn.open_table(ABOUT)?,
        })
    }
}

/// Makes the tables of a new file, or checks that those of an old one are ours.
pub(super) fn prepare(db: &Database) -> anyhow::Result<()> {
    let txn = db.begin_read()?;
    let found: BTreeSet<String> = txn.list_tables()?.map(|t| t.name().to_owned()).collect();
    if found.is_empty() {
        return create(db).map_err(anyhow::Error::from);
    }
    let about = txn.open_table(ABOUT).context("it is not a store of Hubbub's")?;
    let mut schema = None;
    for row in about.iter()? {
        let (key, value) = row?;
        let text = unseal(key.value(), value.value())?;
        if key.value() == "schema" {
            schema = text.parse::<u32>().ok();
        }
    }
    match schema {
        Some(OLDEST..=SCHEMA) => {}
        Some(newer) if newer > SCHEMA => bail!(
            "its schema is {newer}, and this release knows none above {SCHEMA}: \
             start the newer release that wrote it"
        ),
        _ => bail!("it is damaged: its schema cannot be read"),
    }
    let mut known = vec![ENTRIES.name(), ROOMS.name(), MIDS.name(), MIDS_BY_END.name()];
    known.push(ABOUT.name());
    if schema > Some(1) {
        known.extend([RULES.name(), RECORD.name()]);
    }
    if schema > Some(2) {
        known.push(THEIRS.name());
    }
    if found != known.iter().map(|&name| name.to_owned()).collect() {
        bail!("it is damaged: its tables are {found:?}");
    }
    if txn.open_table(ROOMS)?.is_empty()? != txn.open_table(ENTRIES)?.is_empty()? {
        bail!("it is damaged: there are rooms without entries, or entries without rooms");
    }
    if schema < Some(SCHEMA) {
        drop(txn);
        create(db)?;
    }
    Ok(())
}

/// Makes what is not there yet.
fn create(db: &Database) -> Result<(), Fault> {
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    Tables::open(&txn)?.about.insert("schema", seal("schema", &SCHEMA.to_string()).as_slice())?;
    Ok(txn.commit()?)
}
