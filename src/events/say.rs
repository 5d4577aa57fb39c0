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

/// What waited longer than that behind others is tried all the same, as a store that is well takes
/// it in milliseconds: nobody is refused for having said much at once. Not if the store has failed
/// meanwhile: then those who waited are refused one after the other without a further wait.
const LATE_COMERS: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// When the event that is being handled had come. What waits behind others of its connection
    /// waits already.
    pub static ASKED: Instant;
}

/// Before an append of unknown outcome is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Remembers and tells a message, in one step. Its author hears it like everybody else.
pub async fn say(message: &Message, app: &AppState) -> Result<Appended> {
    let began = Instant::now();
    let asked = ASKED.try_with(|asked| *asked).unwrap_or(began);
    let left = ANSWERED_WITHIN.saturating_sub(began.saturating_duration_since(asked));
    let most = if app.trouble.is_since(asked) { left } else { left.max(LATE_COMERS) };
    if most.is_zero() {
        return Err(Error::unavailable(Outcome::None));
    }
    let mut span = traces::part("append");
    let appending = span.around(append(message, app));
    let appended = tokio::time::timeout(most, appending).await;
    let result = appended.unwrap_or_else(|_| Err(Error::unavailable(Outcome::Unknown)));
    app.trouble.heed(&result);
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
        } else if let Some(heard_by) = appended.heard_by {
            app.rooms.said(&message.room, appended.position.seq, heard_by);
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
