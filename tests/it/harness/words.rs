//! What is said on the wire, as the tests read it.
use serde::Deserialize;
use serde_json::{Value, json};

/// The ack of `message:send`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Sent {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    pub(crate) mid: String,
    pub(crate) ts: u64,
    pub(crate) dup: bool,
}

impl Sent {
    /// A cursor right here, for `since`.
    pub(crate) fn cursor(&self) -> Value {
        json!({ "epoch": self.epoch, "seq": self.seq, "mid": self.mid })
    }
}

/// `message:new`, live or in a page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct MessageNew {
    pub(crate) room: String,
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    pub(crate) mid: String,
    pub(crate) ts: u64,
    pub(crate) user: Author,
    pub(crate) text: String,
}

impl MessageNew {
    /// A cursor right here, for `since`.
    pub(crate) fn cursor(&self) -> Value {
        json!({ "epoch": self.epoch, "seq": self.seq, "mid": self.mid })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Author {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The messages of a page, whichever ack it came in.
pub(crate) fn messages(ack: &Value) -> Vec<MessageNew> {
    serde_json::from_value(ack["messages"].clone()).unwrap_or_else(|e| panic!("{e} in {ack}"))
}

/// Their texts.
pub(crate) fn texts(ack: &Value) -> Vec<String> {
    messages(ack).into_iter().map(|message| message.text).collect()
}
