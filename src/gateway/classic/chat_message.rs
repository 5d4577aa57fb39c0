//! `chat message`: the text alone, both ways; the number behind it is for the tutorial's later steps.
use super::{Page, text};
use crate::{
    domain::message::Entry,
    error::Result,
    rooms::{Frame, raw},
};

/// What a page says. Empty texts are legal here, and so is whatever follows the text.
pub(super) async fn chat_message(page: &Page, arg: &str) -> Result<()> {
    let name = page.name.lock().as_ref().map(ToString::to_string);
    page.say(&text(arg)?, name).await?;
    Ok(())
}

/// What a page hears.
pub(super) fn frame(entry: &Entry) -> Frame {
    Frame::with_args("chat message", vec![raw(&entry.text), raw(&entry.position.seq)])
}
