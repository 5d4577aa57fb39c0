//! What a person wrote, on its way into the log and out of it.
use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_general_category::{GeneralCategory, get_general_category};

use super::{
    Invalid,
    id::{ConnectionId, MessageId, RoomId, UserId},
    moderation::Subject,
    position::Position,
    presence::Person,
    trace::TraceParent,
};

/// The longest text, in characters.
pub const LONGEST_TEXT: usize = 4_000;
/// The most combining marks in a row: more is not a script but an attack on the line above.
const MOST_MARKS: usize = 32;

/// Any text of 0 to 4,000 characters; what a tutorial's page may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Draft(String);

/// The non-blank, printable subset of [`Draft`]; what the native protocol accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct MessageText(Draft);

/// A text is too long: a refusal of its own, so it has a word of its own.
pub const TOO_LONG: Invalid = Invalid("a text is at most 4000 characters");

impl Draft {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl TryFrom<String> for Draft {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.chars().count() > LONGEST_TEXT { Err(TOO_LONG) } else { Ok(Self(text)) }
    }
}
impl From<Draft> for String {
    fn from(draft: Draft) -> Self {
        draft.0
    }
}
impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MessageText {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let draft = Draft::try_from(text)?;
        let mut marks = 0;
        let mut blank = true;
        for c in draft.0.chars() {
            use GeneralCategory as G;
            match get_general_category(c) {
                G::Control if !matches!(c, '\n' | '\r' | '\t') => {
                    return Err(Invalid("a text has no control characters but newline and tab"));
                }
                G::Control
                | G::Format
                | G::SpaceSeparator
                | G::LineSeparator
                | G::ParagraphSeparator => {}
                G::NonspacingMark | G::EnclosingMark => {
                    marks += 1;
                    if marks > MOST_MARKS {
                        return Err(Invalid("a text has at most 32 combining marks in a row"));
                    }
                    continue;
                }
                _ => blank = false,
            }
            marks = 0;
        }
        if blank { Err(Invalid("a text is not empty")) } else { Ok(Self(draft)) }
    }
}
impl From<MessageText> for String {
    fn from(text: MessageText) -> Self {
        text.0.0
    }
}
impl From<MessageText> for Draft {
    fn from(text: MessageText) -> Self {
        text.0
    }
}

/// Who wrote it, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    #[serde(flatten)]
    pub person: Person,
    /// The public connection id it came through; a tutorial's page shows it.
    pub connection: ConnectionId,
}

impl Author {
    pub fn user(&self) -> &UserId {
        &self.person.id
    }
}

/// A message on its way into the log.
#[derive(Debug, Clone)]
pub struct Message {
    pub room: RoomId,
    pub mid: MessageId,
    pub author: Author,
    pub text: Draft,
    pub terms: Terms,
}

/// On what terms a message is taken, which the store sees to in its own step. By default all are.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// As what a measure of the room may mean its author; empty: none does.
    pub known_as: Arc<[Subject]>,
    /// How fast its author may speak in the room, on all nodes together.
    pub author: Pace,
    /// How fast the whole room may.
    pub room: Pace,
}

/// How fast something may be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// What each takes, in µs; 0: nothing, and there is no limit.
    pub every_us: u64,
    /// How many at once, when there was nothing before.
    pub burst: u64,
}

impl Pace {
    pub fn per_second(rate: u32, burst: u32) -> Self {
        let every_us = 1_000_000u64.checked_div(rate.into()).unwrap_or(0);
        Self { every_us, burst: u64::from(burst).max(1) }
    }
}

/// A message the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub room: RoomId,
    pub position: Position,
    /// When the store took it, ms since 1970. For display; never for order.
    pub ts: u64,
    pub mid: MessageId,
    pub author: Author,
    pub text: Draft,
    /// The span of its append, if that is traced.
    pub trace: Option<TraceParent>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<MessageText, Invalid> {
        text.to_owned().try_into()
    }

    #[test]
    fn blank_texts_are_drafts_but_not_native_messages() {
        for blank in ["", "   ", "\n\n", "\u{200b}\u{2060}\u{feff}", "\u{301}"] {
            Draft::try_from(blank.to_owned()).unwrap();
            text(blank).unwrap_err();
        }
    }

    #[test]
    fn the_longest_text_is_counted_in_characters() {
        text(&"😀".repeat(LONGEST_TEXT)).unwrap();
        assert_eq!(text(&"a".repeat(LONGEST_TEXT + 1)), Err(TOO_LONG));
    }

    #[test]
    fn a_tower_of_combining_marks_and_control_characters_are_refused() {
        text(&format!("a{}", "\u{301}".repeat(500))).unwrap_err();
        text("a\0b").unwrap_err();
        text("tab\tand\nnewline, bidi \u{202e} and é stay").unwrap();
    }
}
