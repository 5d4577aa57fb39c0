//! What every client of a fault run writes down: events on one clock, a line of JSON each, kept in memory too.
//!
//! A `socket.io-client` program writes the same lines: first its [`Client`], then one [`Record`]
//! per event, `at` being `Number((process.hrtime.bigint() - BigInt(began)) / 1000n)`, where `began`
//! is [`Clock::began_ns`] of the run, and `text_hash` being `zlib.crc32(text)`.
use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use parking_lot::{Mutex, RwLock};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since the run began.
pub(crate) type Micros = u64;

/// The one clock of a run: monotonic, and the same in every process of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began_ns: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { began_ns: monotonic_ns() }
    }

    /// What a program of another language subtracts from its own reading.
    pub(crate) fn began_ns(self) -> u64 {
        self.began_ns
    }

    pub(crate) fn now(self) -> Micros {
        (monotonic_ns() - self.began_ns) / 1_000
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).expect("the machine's clock is not negative");
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// What stands for a text: the CRC-32 of its UTF-8.
pub(crate) fn text_hash(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

/// A room, user, epoch, node or code, kept once for all records; comparing two is comparing numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(u32);

#[derive(Default)]
struct Names {
    texts: Vec<&'static str>,
    numbers: HashMap<&'static str, u32>,
}
/// Never emptied: a run has some thousand names, and a process some hundred runs.
static NAMES: LazyLock<RwLock<Names>> = LazyLock::new(RwLock::default);

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        if let Some(number) = NAMES.read().numbers.get(text) {
            return Self(*number);
        }
        let mut names = NAMES.write();
        if let Some(number) = names.numbers.get(text) {
            return Self(*number);
        }
        let number = u32::try_from(names.texts.len()).expect("fewer names than that");
        let text: &'static str = Box::leak(text.into());
        names.texts.push(text);
        names.numbers.insert(text, number);
        Self(number)
    }

    pub(crate) fn as_str(self) -> &'static str {
        NAMES.read().texts[self.0 as usize]
    }
}
impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self::new(&text))
    }
}

/// A message's id, in place: there are too many of them to keep each for ever, as [`Name`] does.
/// A mid is made once in a run, for one text of one user in one room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mid {
    text: [u8; 36],
    length: u8,
}

impl Mid {
    /// `None`: longer than a mid can be.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut mid = Self { text: [0; 36], length: u8::try_from(text.len()).ok()? };
        mid.text.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(mid)
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = &self.text[..usize::from(self.length)];
        std::str::from_utf8(text).expect("it was made from a text")
    }
}
impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
impl Serialize for Mid {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Mid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(&text).ok_or_else(|| de::Error::custom("a mid is at most 36 bytes"))
    }
}

/// Who writes, and what it undertakes; the first line of its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    /// Unique in the run, and the file's name: `[a-z0-9-]`. Two devices of a user are two clients.
    pub(crate) name: Name,
    /// What it is: `websocket`, `polling`, `upgrade`, `socket.io-client 4.8` …
    pub(crate) kind: Name,
    /// It applies the client rule (`delivery.md` §2.4): its list is judged, not only what it heard.
    pub(crate) rule: bool,
    /// It retries each send under the same mid until there is an answer that is final.
    pub(crate) retries: bool,
}

/// One event of one client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: Micros,
    #[serde(flatten)]
    pub(crate) event: Event,
}

/// A message as somebody saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) room: Name,
    pub(crate) epoch: Name,
    pub(crate) seq: u64,
    pub(crate) mid: Mid,
    pub(crate) text_hash: u32,
    pub(crate) user: Name,
}

/// What a client has of a room, as it says in `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) epoch: Option<Name>,
    pub(crate) seq: u64,
    pub(crate) mid: Option<Mid>,
}

/// A page of a room's log that was put into the list, its messages being the [`Event::Applied`]
/// right after it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) room: Name,
    /// `None`: nobody has ever written here.
    pub(crate) epoch: Option<Name>,
    pub(crate) head: u64,
    /// The oldest number still kept, as the answer says.
    pub(crate) first: u64,
    /// The page is complete from the number after this one: the number asked from, or (a newest
    /// page) that of its first message less one, or `upto` if it is empty.
    pub(crate) after: u64,
    /// The last number it covers. `message:history` does not say: that of its last message, or
    /// `head` if there is no more.
    pub(crate) upto: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    None,
    Unknown,
}

/// What happens to a client. What it does is written *before* it is done, what it gets *after* it
/// has come: so two records in this order on the clock have happened in this order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// `session:ready` came.
    Connected {
        node: Name,
        user: Name,
        connection: Name,
    },
    /// The transport has ended, or its end was noticed.
    Disconnected {
        why: Name,
    },
    /// Closed by us, for good, before the run has ended: nothing is owed to this client any more.
    Closed,
    /// An attempt to send. `n` counts this client's attempts from 1: a retry has the mid of the
    /// first and an `n` of its own. Written while away, it goes out with the next connection.
    Sent {
        n: u32,
        room: Name,
        mid: Mid,
        text_hash: u32,
    },
    /// The answer to attempt `n` was `ok: true`.
    Acked {
        n: u32,
        room: Name,
        mid: Mid,
        epoch: Name,
        seq: u64,
        dup: bool,
    },
    /// The answer to attempt `n` was `ok: false`.
    Refused {
        n: u32,
        room: Name,
        mid: Mid,
        code: Name,
        outcome: Option<Outcome>,
        retryable: bool,
    },
    Joining {
        room: Name,
        since: Option<Cursor>,
    },
    /// A join was answered. With `since`, and neither `truncated` nor `reset` (the reason), the
    /// list goes on; otherwise it begins anew with this page.
    Joined {
        page: Page,
        since: Option<Cursor>,
        has_more: bool,
        truncated: bool,
        reset: Option<Name>,
    },
    /// We asked to leave a room; nothing of it is owed from here on.
    Left {
        room: Name,
    },
    /// `message:history` was answered and put into the list: after its last message, or `anew`,
    /// after a [`Event::Reset`] or because what follows is no longer kept (`first > last + 1`).
    Paged {
        page: Page,
        anew: bool,
    },
    /// `message:new` came. `applied`: the rule put it into the list at once.
    Heard {
        line: Line,
        applied: bool,
    },
    /// The rule put a message into the list that comes from a page, or was held until one came.
    Applied {
        line: Line,
    },
    /// The list was forgotten: `room:reset` came, or the rule saw that the log is another one.
    Reset {
        room: Name,
        reason: Name,
    },
    /// `system:notice` came.
    Notice {
        code: Name,
        reconnect: bool,
        after_ms: u64,
    },
    /// An answer to `presence:get` or `room:members`, all pages of it, never a sum of diffs: diffs
    /// may be lost. `None`: of those that were asked about (all, for a room), these are online.
    /// It was asked at `asked_at`.
    Presence {
        asked_at: Micros,
        room: Option<Name>,
        asked: Vec<Name>,
        users: Vec<Name>,
    },
    /// `presence:changed` came.
    PresenceChanged {
        room: Name,
        joined: Vec<Name>,
        left: Vec<Name>,
    },
}

/// All that one client wrote, in the order of its clock.
#[derive(Debug, Clone)]
pub(crate) struct ClientRecords {
    pub(crate) client: Client,
    pub(crate) records: Vec<Record>,
}

impl ClientRecords {
    /// Reads the file of a client. A last line that is cut off is dropped: its writer was killed.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let wrong = |number: usize, cause: serde_json::Error| {
            io::Error::other(format!("{}:{number}: {cause}", path.display()))
        };
        let mut lines = BufReader::new(File::open(path)?).split(b'\n').enumerate().peekable();
        let (_, first) = lines.next().unwrap_or((0, Ok(Vec::new())));
        let client = serde_json::from_slice(&first?).map_err(|cause| wrong(1, cause))?;
        let mut records = Vec::new();
        while let Some((number, line)) = lines.next() {
            match serde_json::from_slice(&line?) {
                Ok(record) => records.push(record),
                Err(cause) if cause.is_eof() && lines.peek().is_none() => {}
                Err(cause) => return Err(wrong(number + 1, cause)),
            }
        }
        Ok(Self { client, records })
    }

    /// Every client's file below a run's directory, by name.
    pub(crate) fn read_all(run: &Path) -> io::Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(run)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }
}

/// A client's pen: appends to `<run>/<client>.jsonl`, and keeps the same in memory.
pub(crate) struct Recorder {
    client: Client,
    clock: Clock,
    written: Mutex<Written>,
}

struct Written {
    records: Vec<Record>,
    file: BufWriter<File>,
    /// What went wrong first; told at the end.
    failed: Option<io::Error>,
}

impl Recorder {
    pub(crate) fn open(run: &Path, client: Client, clock: Clock) -> io::Result<Self> {
        let path = run.join(format!("{}.jsonl", client.name));
        let mut file = BufWriter::with_capacity(4 << 10, File::create_new(path)?);
        write_line(&mut file, &client)?;
        let written = Written { records: Vec::new(), file, failed: None };
        Ok(Self { client, clock, written: Mutex::new(written) })
    }

    /// Writes an event down as happening now; says when that is.
    pub(crate) fn note(&self, event: Event) -> Micros {
        let mut written = self.written.lock();
        // Within the lock, so that the order in the file is the order of the clock.
        let at = self.clock.now();
        let record = Record { at, event };
        if let Err(cause) = write_line(&mut written.file, &record) {
            written.failed.get_or_insert(cause);
        }
        written.records.push(record);
        at
    }

    /// Ends the file and hands out what is in memory; what is noted afterwards is lost.
    pub(crate) fn finish(&self) -> io::Result<ClientRecords> {
        let mut written = self.written.lock();
        written.file.flush()?;
        if let Some(cause) = written.failed.take() {
            return Err(cause);
        }
        let records = std::mem::take(&mut written.records);
        Ok(ClientRecords { client: self.client.clone(), records })
    }
}

fn write_line(into: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.write_all(b"\n")
}
