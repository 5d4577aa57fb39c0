//! `tests/bad_inputs.toml`: its rows, and its short words for long inputs.
use std::{fmt, path::Path};

use hubbub::gateway::CLIENT_EVENTS;
use serde::Deserialize;
use serde_json::Value;

use crate::harness::new_mid;

/// The number every row's event wants to be answered under.
pub(super) const ACK: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
    request: Vec<Request>,
}

/// What is sent on a stream of its own, and the status it is answered with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) id: String,
    bytes: String,
    /// 0: none; the stream ends.
    pub(super) answer: u16,
    /// Engine.IO's number.
    pub(super) code: Option<u64>,
    pub(super) why: Option<String>,
}

impl Request {
    pub(super) fn bytes(&self) -> String {
        written_out(&self.bytes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layer {
    Packet,
    Event,
    Classic,
    Connect,
    Engine,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) layer: Layer,
    bytes: Option<String>,
    name: Option<String>,
    payload: Option<String>,
    to: Option<String>,
    pub(super) expect: Expected,
    /// The field an error must name.
    pub(super) field: Option<String>,
    /// What an ok must contain.
    answer: Option<String>,
    /// The frame that `says` means.
    frame: Option<String>,
    pub(super) why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum Expected {
    Ok,
    Error(String),
    ConnectError(String),
    Says,
    Ignored,
    Closed,
}

impl From<String> for Expected {
    fn from(text: String) -> Self {
        match (text.as_str(), text.strip_prefix("connect_error ")) {
            (_, Some(code)) => Self::ConnectError(code.to_owned()),
            ("ok", _) => Self::Ok,
            ("says", _) => Self::Says,
            ("ignored", _) => Self::Ignored,
            ("closed", _) => Self::Closed,
            _ => Self::Error(text),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.expect)?;
        if let Some(field) = &self.field {
            write!(f, " field {field:?}")?;
        }
        if let Some(why) = &self.why {
            write!(f, " ({why})")?;
        }
        Ok(())
    }
}

/// All rows, those for several events once for each.
pub(super) fn rows() -> Vec<Row> {
    table().row.into_iter().flat_map(each_event).collect()
}

pub(super) fn requests() -> Vec<Request> {
    table().request
}

fn table() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_inputs.toml");
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn each_event(row: Row) -> Vec<Row> {
    const WITHOUT_ROOM: [&str; 5] =
        ["room:list", "direct:open", "direct:list", "session:rename", "system:ping"];
    let left_out: &[&str] = match row.name.as_deref() {
        Some("*") => &[],
        Some("*room") => &WITHOUT_ROOM,
        _ => return vec![row],
    };
    let events = CLIENT_EVENTS.iter().filter(|event| !left_out.contains(event));
    let of = |event: &&str| Row {
        id: format!("{} {event}", row.id),
        name: Some((*event).to_owned()),
        ..row.clone()
    };
    events.map(of).collect()
}

impl Row {
    /// Where a row's session is.
    pub(super) fn namespace(&self) -> &str {
        match self.layer {
            Layer::Classic => "/",
            Layer::Connect => self.to.as_deref().unwrap_or("/chat"),
            Layer::Packet | Layer::Event | Layer::Engine => "/chat",
        }
    }

    /// The Engine.IO packet to send.
    pub(super) fn engine_packet(&self) -> String {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let text = match self.layer {
            Layer::Engine => bytes.to_owned(),
            Layer::Packet => format!("4{bytes}"),
            Layer::Connect => format!("40{}{bytes}", prefix(self.namespace())),
            Layer::Event | Layer::Classic => {
                let name = self.name.as_deref().unwrap();
                let payload = self.payload.as_deref().unwrap();
                let comma = if payload.is_empty() { "" } else { "," };
                format!("42{}{ACK}[\"{name}\"{comma}{payload}]", prefix(self.namespace()))
            }
        };
        written_out(&text)
    }

    pub(super) fn frame(&self) -> String {
        written_out(self.frame.as_deref().expect("`says` has a frame"))
    }

    pub(super) fn answer(&self) -> Option<Value> {
        self.answer.as_deref().map(|json| serde_json::from_str(json).unwrap())
    }
}

/// What stands between a packet's type and what it carries.
pub(super) fn prefix(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}

/// The text with its short words written out; `fill` last, for it depends on the rest.
fn written_out(text: &str) -> String {
    let mut parts = text.split('«');
    let mut whole = parts.next().unwrap().to_owned();
    let mut fill = None;
    for part in parts {
        let (word, rest) = part.split_once('»').expect("« has its »");
        if let Some(of) = word.strip_prefix("fill ") {
            fill = Some((whole.len(), of.to_owned()));
        } else {
            whole.push_str(&long(word));
        }
        whole.push_str(rest);
    }
    if let Some((at, of)) = fill {
        let (size, with) = of.split_once(' ').unwrap();
        let missing = size.parse::<usize>().unwrap() - whole.len();
        whole.insert_str(at, &with.repeat(missing / with.len()));
    }
    whole
}

fn long(word: &str) -> String {
    let mut words = word.splitn(3, ' ');
    let kind = words.next().unwrap();
    let count = words.next().map_or(0, |n| n.parse().unwrap());
    match kind {
        "repeat" => words.next().unwrap().repeat(count),
        "nest" => format!("{}{}", "[".repeat(count), "]".repeat(count)),
        "open" => "[".repeat(count),
        "mid" => new_mid(),
        // The end of one is random, its beginning the time.
        "fresh" => new_mid().replace('-', "").split_off(32 - count),
        _ => panic!("there is no «{word}»"),
    }
}
