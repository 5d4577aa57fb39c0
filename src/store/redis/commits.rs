//! Group commit for the level `replica`: appends that come together wait for a second Redis once.
use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::log::APPEND;
use crate::{
    error::{Error, Outcome, Result},
    lifecycle::Lifecycle,
    redis::{Link, run_replicated},
};

/// Appends that wait for their turn; more wait at the door.
const QUEUE: usize = 1_024;
/// Appends of one commit.
const LARGEST: usize = 128;

struct Append {
    keys: Vec<String>,
    args: Vec<String>,
    reply: oneshot::Sender<Result<Vec<String>>>,
}

/// Where appends meet.
pub(super) struct Commits(mpsc::Sender<Append>);

impl Commits {
    pub(super) fn open(link: Arc<Link>, lifecycle: &Lifecycle) -> Self {
        let (send, mut queue) = mpsc::channel(QUEUE);
        lifecycle.spawn_until_stop(async move {
            let mut batch = Vec::with_capacity(LARGEST);
            while queue.recv_many(&mut batch, LARGEST).await > 0 {
                commit(&link, batch.drain(..)).await;
            }
        });
        Self(send)
    }

    /// The script's reply, once a second Redis has what it wrote.
    pub(super) async fn append(&self, keys: Vec<String>, args: Vec<String>) -> Result<Vec<String>> {
        let (reply, answer) = oneshot::channel();
        if self.0.send(Append { keys, args, reply }).await.is_err() {
            return Err(Error::unavailable(Outcome::None));
        }
        answer.await.unwrap_or_else(|_| Err(Error::unavailable(Outcome::Unknown)))
    }
}

/// One commit for each server, side by side.
async fn commit(link: &Link, batch: impl Iterator<Item = Append>) {
    let mut by_server: BTreeMap<String, Vec<Append>> = BTreeMap::new();
    for append in batch {
        by_server.entry(link.server_of(&append.keys[0])).or_default().push(append);
    }
    join_all(by_server.into_values().map(async |appends| {
        let (asked, replies): (Vec<_>, Vec<_>) =
            appends.into_iter().map(|a| ((a.keys, a.args), a.reply)).unzip();
        let results = run_replicated(&APPEND, link, asked).await;
        for (reply, result) in replies.into_iter().zip(results) {
            // Who asked may have gone.
            reply.send(result).ok();
        }
    }))
    .await;
}
