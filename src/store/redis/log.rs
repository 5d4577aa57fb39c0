//! The log in Redis: a stream per room, appended to and read by scripts.
use anyhow::anyhow;
use async_trait::async_trait;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::{
    RedisStore, keys, moderation,
    page::{Read, read},
};
use crate::{
    adapter::envelope,
    clock,
    domain::{
        durability::Durability,
        id::{MessageId, RoomId},
        message::Message,
        position::{Continuity, Cursor, Head, LAST_SEQ, Position, ResetReason, Span, continuity},
    },
    error::{Error, Outcome, Result},
    redis::{Script, room_channel},
    store::log::{Appended, LONGEST_PAGE, Log, Page, Range, Resumed},
    telemetry::traces,
};

pub(super) static APPEND: Script = Script::new(include_str!("scripts/append.lua"));
static PAGE: Script = Script::new(include_str!("scripts/page.lua"));

/// Heads asked for by one flush.
const HEADS_AT_ONCE: usize = 512;
/// Rooms remembered as indexed; at more, it begins anew.
const MOST_INDEXED: usize = 100_000;

impl RedisStore {
    async fn read(&self, room: &RoomId, range: Range, limit: usize) -> Result<Read> {
        let (kind, seq) = match range {
            Range::Newest => ("newest", 0),
            Range::Before(seq) => ("before", seq),
            Range::After(seq) => ("after", seq),
            Range::Around(seq) => ("around", seq),
        };
        let args = vec![
            kind.to_owned(),
            seq.min(LAST_SEQ).to_string(),
            limit.min(LONGEST_PAGE).to_string(),
            self.store.retention_messages.to_string(),
            self.store.retention_age.as_millis().to_string(),
        ];
        let reply = PAGE.run(&self.link, vec![keys::meta(room), keys::log(room)], args).await?;
        read(room, range, reply)
    }

    async fn head(&self, room: &RoomId) -> Result<Option<Head>> {
        let args = vec![keys::meta(room), "e".to_owned(), "s".to_owned(), "m".to_owned()];
        let meta: (Option<String>, Option<u64>, Option<String>) =
            self.link.command("HMGET", args).await?;
        match meta {
            (Some(epoch), Some(seq), mid) => {
                let epoch = epoch.parse().map_err(anyhow::Error::from)?;
                Ok(Some(Head { epoch, seq, mid: mid.and_then(|mid| mid.parse().ok()) }))
            }
            // Unwritten, or meta was lost and the log knows.
            _ => Ok(self.read(room, Range::After(0), 0).await?.page.head),
        }
    }

    fn append_args(&self, message: &Message) -> Vec<String> {
        let mut args = vec![
            envelope::entry_tail(message, traces::here()),
            message.mid.to_string(),
            fingerprint(message),
            clock::new_epoch().to_string(),
            self.store.retention_messages.to_string(),
            self.store.idempotency.as_secs().max(1).to_string(),
            message.mid.made_at_ms().map(|ms| ms.to_string()).unwrap_or_default(),
            self.store.retention_age.as_millis().to_string(),
            room_channel(message.room.as_str()),
            u8::from(self.commits.is_some()).to_string(),
        ];
        for pace in [message.terms.author, message.terms.room] {
            args.extend([pace.every_us.to_string(), pace.burst.to_string()]);
        }
        args.push(u8::from(!message.room.is_public()).to_string());
        args.push(keys::role(message.author.user()));
        args.extend(moderation::fields(&message.terms.known_as));
        args
    }

    /// Puts a public room into the index of rooms, which lives in a slot of its own and so cannot be
    /// written by the append. Done at a room's first entry and at the first append by each
    /// process, so an index that was lost, or not written because a node died in between,
    /// comes back with use. Never a reason to fail what was appended.
    async fn note_room(&self, room: &RoomId, anew: bool) {
        if !room.is_public() || (!anew && self.indexed.lock().contains(room)) {
            return;
        }
        let args = vec![keys::INDEX.to_owned(), "0".to_owned(), room.to_string()];
        match self.link.command::<u64>("ZADD", args).await {
            Ok(_) => {
                let mut indexed = self.indexed.lock();
                if indexed.len() >= MOST_INDEXED {
                    indexed.clear();
                }
                indexed.insert(room.clone());
            }
            Err(error) => tracing::debug!(%room, %error, "the room is not in the index yet"),
        }
    }
}

/// The resume rule for a room nobody has written in: only a reader of nothing can go on.
fn unwritten(cursor: &Cursor) -> Continuity {
    if cursor.epoch.is_none() && cursor.seq.get() == 0 {
        Continuity::Continuous
    } else {
        Continuity::Reset(ResetReason::EpochChanged)
    }
}

/// What tells a retry from another message under the same mid.
fn fingerprint(message: &Message) -> String {
    let mut hash = Sha256::new();
    hash.update(message.author.user().as_str());
    hash.update([0]);
    hash.update(message.text.as_str());
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

fn appended(reply: &[String]) -> Result<Appended> {
    let texts: Vec<&str> = reply.iter().map(String::as_str).collect();
    let (dup, [epoch, seq, ts], heard) = match texts[..] {
        ["OK", epoch, seq, ts, heard] => (false, [epoch, seq, ts], Some(heard)),
        ["DUP", epoch, seq, ts] => (true, [epoch, seq, ts], None),
        ["CONFLICT"] => return Err(Error::IdempotencyConflict),
        ["UNSURE"] => return Err(Error::unavailable(Outcome::Unknown)),
        ["EXPIRED"] => return Err(Error::Expired),
        ["ABSENT"] => return Err(Error::NotMember),
        ["READ_ONLY"] => return Err(Error::only_reads()),
        [why @ ("BANNED" | "MUTED" | "PACE" | "SLOW"), ms] => return Err(held_back(why, ms)),
        _ => return Err(anyhow!("unknown reply to an append: {texts:?}").into()),
    };
    let number = |text: &str| text.parse().map_err(|_| anyhow!("{text:?} is no number"));
    Ok(Appended {
        position: Position {
            epoch: epoch.parse().map_err(anyhow::Error::from)?,
            seq: number(seq)?,
        },
        ts: number(ts)?,
        dup,
        heard_by: heard.map(number).transpose()?,
    })
}

/// Why somebody is not heard now, and for how long.
fn held_back(why: &str, ms: &str) -> Error {
    let left = ms.parse().ok();
    let retry_after_ms = left.unwrap_or(1);
    match why {
        "BANNED" => Error::Banned { retry_after_ms: left },
        "MUTED" => Error::Muted { retry_after_ms: left },
        "SLOW" => Error::SlowMode { retry_after_ms },
        _ => Error::RateLimited { retry_after_ms },
    }
}

#[async_trait]
impl Log for RedisStore {
    async fn append(&self, message: &Message) -> Result<Appended> {
        let room = &message.room;
        let keys = vec![
            keys::meta(room),
            keys::log(room),
            keys::idempotency(room, message.author.user(), &message.mid),
            keys::rules(Some(room)),
            keys::pace(room, message.author.user()),
        ];
        let args = self.append_args(message);
        let mut span = traces::part("redis");
        let reply = match &self.commits {
            Some(commits) => commits.append(keys, args).await,
            None => APPEND.run(&self.link, keys, args).await,
        };
        if let Err(error) = &reply {
            span.failed(error.into());
        }
        drop(span);
        let reply = reply?;
        let appended = appended(&reply)?;
        self.note_room(room, appended.position.seq == 1).await;
        Ok(appended)
    }

    fn durability(&self) -> Durability {
        self.link.durability()
    }

    async fn page(&self, room: &RoomId, range: Range, limit: usize) -> Result<Page> {
        Ok(self.read(room, range, limit).await?.page)
    }

    async fn since(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Resumed> {
        let after = self.read(room, Range::After(cursor.seq.get()), limit).await?;
        let verdict = match &after.page.head {
            Some(head) => {
                let mid_there = after.mid_there.as_ref();
                continuity(cursor, &Span { head, first: after.page.first, mid_there })
            }
            None => unwritten(cursor),
        };
        let reset = match verdict {
            Continuity::Continuous => {
                return Ok(Resumed { page: after.page, ..Resumed::default() });
            }
            Continuity::Truncated => None,
            Continuity::Reset(reason) => Some(reason),
        };
        let page = self.page(room, Range::Newest, limit).await?;
        Ok(Resumed { page, truncated: reset.is_none(), reset })
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<Head>>> {
        let mut heads = Vec::with_capacity(rooms.len());
        // In turns: the queue to Redis has a bound, and a node may host more rooms than that.
        for some in rooms.chunks(HEADS_AT_ONCE) {
            heads.extend(try_join_all(some.iter().map(|room| self.head(room))).await?);
        }
        Ok(heads)
    }

    async fn mid_at(&self, room: &RoomId, seq: u64) -> Result<Option<MessageId>> {
        Ok(self.read(room, Range::After(seq), 0).await?.mid_there)
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<RoomId>> {
        let low = after.map_or_else(|| "-".to_owned(), |room| format!("({room}"));
        let mut args: Vec<String> =
            [keys::INDEX, &low, "+", "LIMIT", "0"].map(str::to_owned).to_vec();
        args.push(limit.to_string());
        let found: Vec<String> = self.link.command("ZRANGEBYLEX", args).await?;
        Ok(found.iter().filter_map(|room| room.parse().ok()).collect())
    }
}
