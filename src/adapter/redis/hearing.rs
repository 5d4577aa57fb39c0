//! The tasks behind the adapter: one reads what arrives, one subscribes again after a loss, one
//! closes what nobody listens to.
use std::{sync::Arc, time::Duration};

use fred::{
    error::Error as Failure,
    prelude::Server,
    types::{Message, Value},
};
use futures_util::{StreamExt, stream};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    mpsc::Sender,
};

use super::{
    super::{GapCause, Heard, Topic, envelope},
    topics::Topics,
};
use crate::{
    domain::id::RoomId,
    redis::{GLOBAL_CHANNEL, room_of_channel},
};

/// Subscriptions asked for at once after a loss.
const AT_ONCE: usize = 64;
/// Before what could not be subscribed to is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Reads what arrives, in order. It waits for whoever takes it; what piles up meanwhile beyond
/// the feed's bound is lost here, said, and repaired from the log.
pub(super) async fn hear(mut messages: Receiver<Message>, send: Sender<Heard>) {
    let mut warned = false;
    loop {
        let heard = match messages.recv().await {
            Ok(message) => decode(&message, &mut warned),
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "more arrived than could be taken in");
                Some(Heard::Gap { rooms: None, cause: GapCause::Lagged })
            }
            Err(RecvError::Closed) => return,
        };
        if let Some(heard) = heard
            && send.send(heard).await.is_err()
        {
            return;
        }
    }
}

fn decode(message: &Message, warned: &mut bool) -> Option<Heard> {
    let channel: &str = &message.channel;
    let room: Option<RoomId> = room_of_channel(channel).and_then(|room| room.parse().ok());
    if room.is_none() && channel != GLOBAL_CHANNEL {
        return None;
    }
    let why = match text(&message.value).map(|text| envelope::read(room.as_ref(), text)) {
        Some(Ok(heard)) => return Some(heard),
        Some(Err(unreadable)) => unreadable.to_string(),
        None => "unreadable envelope: it is no text".to_owned(),
    };
    if !std::mem::replace(warned, true) {
        tracing::warn!(channel, why, "another release speaks here; said once");
    }
    let room = room?;
    Some(Heard::Gap { rooms: Some(vec![room]), cause: GapCause::Unreadable })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// After each loss subscribes to all that is wanted, and then says that something may have been
/// missed. fred's own way of doing it fails when there are only sharded channels.
pub(super) async fn keep_subscribed(
    topics: Arc<Topics>,
    mut reconnects: Receiver<Server>,
    mut errors: Receiver<(Failure, Option<Server>)>,
    send: Sender<Heard>,
) {
    loop {
        tokio::select! {
            biased;
            lost = errors.recv() => {
                if matches!(lost, Err(RecvError::Closed)) {
                    return;
                }
                topics.lose_all();
                continue;
            }
            back = reconnects.recv() => {
                if matches!(back, Err(RecvError::Closed)) {
                    return;
                }
                // A cluster's nodes come back together.
                while reconnects.try_recv().is_ok() {}
                topics.lose_all();
            }
            // Not every loss in a cluster ends in a new connection, and a try may have failed.
            () = tokio::time::sleep(RETRY) => if !topics.can_repair() {
                continue;
            },
        }
        let had_rooms = topics.has_rooms();
        if !subscribe_all(&topics).await {
            continue;
        }
        let gap = Heard::Gap { rooms: None, cause: GapCause::Reconnected };
        if had_rooms && send.send(gap).await.is_err() {
            return;
        }
    }
}

/// Whether all that is wanted is subscribed to now.
async fn subscribe_all(topics: &Arc<Topics>) -> bool {
    topics.begin_repair();
    let confirm = |topic: Topic| {
        let topics = Arc::clone(topics);
        async move { topics.confirm(&topic).await.is_ok() }
    };
    let mut done = stream::iter(topics.unconfirmed()).map(confirm).buffer_unordered(AT_ONCE);
    let mut all = true;
    while let Some(confirmed) = done.next().await {
        all &= confirmed;
    }
    all
}

pub(super) async fn close_unwanted(topics: Arc<Topics>, linger: Duration) {
    let every = (linger / 6).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(every).await;
        topics.close_unwanted(linger).await;
    }
}
