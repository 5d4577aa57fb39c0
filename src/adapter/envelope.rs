//! How what nodes tell each other is written: a kind, a version, and the rest. Release N and N-1
//! read each other; what cannot be read is a gap, not a crash.
//!
//! ```text
//! e1 <epoch> <seq> <ts> <mid> <json of Body>     an entry of a room's log, also as it is stored
//! t1 <json of [Told]>                            a list told at once
//! p1 <json of Diff>                              a room's people changed
//! m1 <json of Act>                               somebody was moderated, in a room or everywhere
//! ```
//! Body is `{author, text}`, and `trace` only in what is traced: older releases overlook it.
//! The store's script puts `e1`, epoch, seq and ts in front of what [`entry_tail`] gives it.
use serde::{Deserialize, Serialize};

use super::{Heard, Told};
use crate::domain::{
    id::{Epoch, RoomId},
    message::{Author, Draft, Entry, Message},
    moderation::Act,
    position::Position,
    presence::Diff,
    trace::TraceParent,
};

#[derive(Serialize)]
struct BodyRef<'a> {
    author: &'a Author,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceParent>,
}
#[derive(Deserialize)]
struct Body {
    author: Author,
    text: Draft,
    /// Decoded by hand: one that cannot be read is no reason not to read the entry.
    #[serde(default)]
    trace: Option<serde_json::Value>,
}

/// Why an envelope cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("unreadable envelope: {0}")]
pub struct Unreadable(&'static str);

/// What of an entry is known before it is numbered: `<mid> <json>`; and where in a trace that is.
pub fn entry_tail(message: &Message, trace: Option<TraceParent>) -> String {
    let body = BodyRef { author: &message.author, text: message.text.as_str(), trace };
    let json = serde_json::to_string(&body).expect("texts and ids are always JSON");
    format!("{} {json}", message.mid)
}

/// A numbered entry, for backends that number outside of a script.
pub fn entry(epoch: &Epoch, seq: u64, ts: u64, tail: &str) -> String {
    format!("e1 {epoch} {seq} {ts} {tail}")
}

pub fn told(list: &[Told]) -> String {
    format!("t1 {}", serde_json::to_string(list).expect("raw JSON stays JSON"))
}

pub fn presence(diff: &Diff) -> String {
    format!("p1 {}", serde_json::to_string(diff).expect("a diff is always JSON"))
}

pub fn act(act: &Act) -> String {
    format!("m1 {}", serde_json::to_string(act).expect("an act is always JSON"))
}

/// Reads an entry of `room`.
pub fn read_entry(room: &RoomId, text: &str) -> Result<Entry, Unreadable> {
    let mut parts = text.splitn(6, ' ');
    let mut next = || parts.next().ok_or(Unreadable("an entry has six parts"));
    if next()? != "e1" {
        return Err(Unreadable("not an entry of version 1"));
    }
    let epoch = next()?.parse().map_err(|_| Unreadable("epoch"))?;
    let seq = next()?.parse().map_err(|_| Unreadable("seq"))?;
    let ts = next()?.parse().map_err(|_| Unreadable("ts"))?;
    let mid = next()?.parse().map_err(|_| Unreadable("mid"))?;
    let body: Body = serde_json::from_str(next()?).map_err(|_| Unreadable("body"))?;
    Ok(Entry {
        room: room.clone(),
        position: Position { epoch, seq },
        ts,
        mid,
        author: body.author,
        text: body.text,
        trace: body.trace.as_ref().and_then(|trace| trace.as_str()?.parse().ok()),
    })
}

/// Reads whatever arrived on a topic: `room`'s, or (`None`) the global one.
pub fn read(room: Option<&RoomId>, text: &str) -> Result<Heard, Unreadable> {
    let json = || serde_json_tail(text);
    match (text.get(..3), room) {
        (Some("e1 "), Some(room)) => Ok(Heard::Entry(read_entry(room, text)?.into())),
        (Some("t1 "), _) => {
            serde_json::from_str(json()).map(Heard::Told).map_err(|_| Unreadable("told"))
        }
        // An act of a room comes on that room's topic, one of everywhere on the global one.
        (Some("m1 "), _) => match serde_json::from_str::<Act>(json()) {
            Ok(act) if act.room.as_ref() == room => Ok(Heard::Act(Box::new(act))),
            _ => Err(Unreadable("act")),
        },
        (Some("p1 "), Some(room)) => serde_json::from_str(json())
            .map(|diff| Heard::Presence(room.clone(), diff))
            .map_err(|_| Unreadable("diff")),
        _ => Err(Unreadable("neither kind nor version is known")),
    }
}

fn serde_json_tail(text: &str) -> &str {
    text.get(3..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: &str = r#""author":{"id":"ada","name":"Ada","classic":false,"connection":"c1"}"#;

    fn read_with(more: &str) -> Option<TraceParent> {
        let text = format!("e1 epoch123 7 0 mid-0123456789-7 {{{AUTHOR},\"text\":\"hi\"{more}}}");
        let entry = read_entry(&"lobby".parse().unwrap(), &text).unwrap();
        assert_eq!((entry.position.seq, entry.text.as_str()), (7, "hi"));
        entry.trace
    }

    #[test]
    fn a_trace_is_told_where_there_is_one_and_is_never_in_the_way() {
        let w3c = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

        assert_eq!(read_with(""), None);
        assert_eq!(read_with(&format!(",\"trace\":\"{w3c}\"")), w3c.parse().ok());
        for unreadable in [r#","trace":"x""#, r#","trace":7"#, r#","trace":null"#, r#","later":1"#]
        {
            assert_eq!(read_with(unreadable), None, "{unreadable}");
        }
    }
}
