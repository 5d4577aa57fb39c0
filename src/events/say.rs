//! Saying something in a room, whoever says it: a native event and every tutorial's dialect end here.
use std::time::{Duration, Instant};

use crate::{
    domain::message::Message,
    error::{Error, Outcome, Result},
    state::AppState,
    store::log::Appended,
    telemetry::{Label, traces},
};

/// However long the store takes, whoever says something hears what became of it within 3 seconds.
const ANSWERED_WITHIN: Duration = Duration::from_millis(2_500);

/// Before an append of unknown outcome is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Remembers and tells a message, in one step. Its author hears it like everybody else.
pub async fn say(message: &Message, app: &AppState) -> Result<Appended> {
    let began = Instant::now();
    let mut span = traces::part("append");
    let appending = span.around(append(message, app));
    let appended = tokio::time::timeout(ANSWERED_WITHIN, appending).await;
    let result = appended.unwrap_or_else(|_| Err(Error::unavailable(Outcome::Unknown)));
    let name = match &result {
        Ok(appended) if appended.dup => "dup",
        Ok(_) => "ok",
        Err(error) => {
            let code = error.into();
            span.failed(code);
            code
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    app.metrics.append_seconds.record(seconds, &[Label::new("result", name)]);
    if let Ok(appended) = &result {
        if appended.dup {
            app.metrics.dup.add(1, &[]);
        } else if appended.heard_by == Some(0) {
            // Nobody heard it although this node hosts the room: the subscription is deaf.
            app.rooms.suspect(&message.room);
        }
    }
    if let Err(Error::Internal(_)) = &result {
        tracing::debug!(room = %message.room, "append failed");
    }
    result
}

/// An append whose connection broke may have happened or not. The same again finds out, as it is
/// recognised by its mid; so a client hears of a short loss as little as possible. One that was
/// surely not done is refused at once: nobody is made to wait for a store known to be away.
async fn append(message: &Message, app: &AppState) -> Result<Appended> {
    let mut may_have_happened = false;
    loop {
        match app.log.append(message).await {
            Err(Error::Unavailable { outcome: Outcome::Unknown, .. }) => may_have_happened = true,
            Err(Error::Unavailable { .. }) if may_have_happened => {}
            other => return other,
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
