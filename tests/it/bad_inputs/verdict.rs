//! Whether what came is what a row expects.
use serde_json::Value;

use super::{
    line::Came,
    table::{ACK, Expected, Row, prefix},
};

/// The longest piece of an input that may come back.
const LONGEST_ECHO: usize = 64;
/// What anybody in a room hears; whether rightly so is for the healthy user to say.
const HEARD_IN_A_ROOM: [&str; 13] = [
    "session:ready",
    "message:new",
    "presence:changed",
    "room:head",
    "typing",
    "chat message",
    "message",
    "msg:get",
    "users",
    "user",
    "private",
    "IO_SERVER_HELLO",
    "error:notice",
];

/// `Err`: what came instead.
pub(super) fn judge(row: &Row, sent: &str, came: &Came) -> Result<(), String> {
    let told: Vec<&str> = came.frames.iter().map(String::as_str).filter(|f| is_news(f)).collect();
    let answer = answer(row, came);
    let is_right = match &row.expect {
        _ if came.stuck => false,
        Expected::Closed => came.closed && answer.as_ref().is_none_or(|a| a["ok"] != true),
        _ if came.closed => false,
        Expected::Ignored => told.is_empty(),
        Expected::Says => told == [row.frame()],
        Expected::Ok => told.len() == 1 && answer.as_ref().is_some_and(|a| is_ok(row, a)),
        Expected::Error(code) => {
            told.len() == 1 && answer.as_ref().is_some_and(|a| is_error(row, code, a))
        }
        Expected::ConnectError(_) => unreachable!("who is refused is judged elsewhere"),
    };
    if !is_right {
        return Err(describe(came, &told));
    }
    let error = answer.as_ref().map(|answer| &answer["error"]);
    match error.and_then(|error| echo(sent, error)) {
        Some(echo) => Err(format!("the input came back at length: {echo:?}")),
        None => Ok(()),
    }
}

/// The answer to the row's event.
fn answer(row: &Row, came: &Came) -> Option<Value> {
    let answered = format!("43{}{ACK}[", prefix(row.namespace()));
    let mut answers = came.frames.iter().filter_map(|frame| frame.strip_prefix(&answered));
    answers.next().map(|answer| serde_json::from_str(answer.strip_suffix(']').unwrap()).unwrap())
}

/// Whether the event was accepted, rightly or not.
pub(super) fn is_granted(row: &Row, came: &Came) -> bool {
    answer(row, came).is_some_and(|answer| answer["ok"] == true)
}

/// An entry of a namespace.
pub(super) fn judge_entry(row: &Row, came: &Came) -> Result<(), String> {
    let prefix = prefix(row.namespace());
    let told: Vec<&str> = came.frames.iter().map(String::as_str).filter(|f| is_news(f)).collect();
    let is_right = match &row.expect {
        Expected::Ok => !came.closed && matches!(&told[..], [f] if f.starts_with("40")),
        Expected::ConnectError(code) => {
            came.closed && told == [format!("44{prefix}{{\"message\":\"{code}\"}}")]
        }
        _ => false,
    };
    let is_right = is_right && !came.stuck;
    if is_right { Ok(()) } else { Err(describe(came, &told)) }
}

fn is_ok(row: &Row, answer: &Value) -> bool {
    let contains = |wanted: Value| {
        wanted.as_object().unwrap().iter().all(|(key, value)| answer.get(key) == Some(value))
    };
    answer["ok"] == true && row.answer().is_none_or(contains) && answer["dup"] != true
}

fn is_error(row: &Row, code: &str, answer: &Value) -> bool {
    let error = &answer["error"];
    answer["ok"] == false
        && error["code"] == code
        && row.field.as_ref().is_none_or(|field| error["field"] == **field)
        && error["message"].as_str().is_some_and(|message| !message.is_empty())
        && error["retryable"].is_boolean()
}

fn is_news(frame: &str) -> bool {
    let event = frame.strip_prefix("42").map(|rest| rest.strip_prefix("/chat,").unwrap_or(rest));
    let Some(event) = event else { return true };
    let name = event.strip_prefix("[\"").and_then(|rest| rest.split('"').next());
    !name.is_some_and(|name| HEARD_IN_A_ROOM.contains(&name))
}

/// A longer piece of what was sent than may come back in an error, if there is one.
fn echo(sent: &str, error: &Value) -> Option<String> {
    let texts = error.as_object().into_iter().flat_map(|fields| fields.values());
    texts.filter_map(Value::as_str).find_map(|text| {
        let letters: Vec<char> = text.chars().collect();
        let mut pieces = letters.windows(LONGEST_ECHO + 1).map(String::from_iter);
        pieces.find(|piece| sent.contains(piece))
    })
}

fn describe(came: &Came, told: &[&str]) -> String {
    let end = match (came.closed, came.stuck) {
        (true, _) => "and the end",
        (_, true) => "and then neither an answer nor the end",
        _ => "and the session goes on",
    };
    let told: Vec<String> = told.iter().map(|frame| frame.chars().take(300).collect()).collect();
    format!("{told:?} {end}")
}
