//! `msg:post` and `msg:get`: every post answers everyone with the last fifty, newest first.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Page;
use crate::{
    domain::message::Entry,
    error::{Error, Result},
    rooms::Frame,
};

/// How many the page shows.
pub(super) const SHOWN: usize = 50;

/// What else a page puts in is dropped, as the tutorial's server does.
#[derive(Deserialize)]
struct MsgPost {
    #[serde(default)]
    user: Value,
    #[serde(default)]
    text: Value,
}

pub(super) async fn msg_post(page: &Page, arg: &str) -> Result<()> {
    let bad = || Error::bad_request("a post is an object with user and text");
    // A struct would also be taken from an array, its fields in order.
    if !arg.starts_with('{') {
        return Err(bad());
    }
    let post: MsgPost = serde_json::from_str(arg).map_err(|_| bad())?;
    // A claim of the page, good for this one post.
    let name = match plain(&post.user, "user")?.as_str() {
        "" => None,
        claimed => Some(page.name(claimed)?.to_string()),
    };
    page.say(&plain(&post.text, "text")?, name).await?;
    Ok(())
}

/// A text, or what reads like one.
fn plain(value: &Value, field: &str) -> Result<String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(Error::BadRequest {
            message: "a post's user and text are texts".to_owned(),
            field: Some(field.to_owned()),
        }),
    }
}

#[derive(Serialize)]
struct MsgGet<'a> {
    msg: Vec<Post<'a>>,
}

#[derive(Serialize)]
struct Post<'a> {
    user: &'a str,
    text: &'a str,
    time: u64,
}

/// The whole list; `entries` in rising order.
pub(super) fn frame(entries: &[Entry]) -> Frame {
    let msg = entries.iter().rev().map(post).collect();
    Frame::new("msg:get", &MsgGet { msg })
}

fn post(entry: &Entry) -> Post<'_> {
    Post {
        user: entry.author.person.name.as_deref().unwrap_or("guest"),
        text: entry.text.as_str(),
        time: entry.ts,
    }
}
