//! The embedded store: one node, one file (or none), and the same promises as the others.
//!
//! One thread writes; reads see the last commit. Who is present is kept in memory: of a single
//! node's connections nothing is left when it starts again.
mod append;
mod disk;
mod log;
mod members;
mod moderation;
mod paces;
mod roles;
mod sessions;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::{path::Path, sync::Arc, thread::JoinHandle};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use self::{
    append::Rules,
    disk::Disk,
    log::Logs,
    members::Presence,
    tables::Fault,
    writer::{QUEUE, Request, Writer},
};
use crate::{
    adapter::local::LocalAdapter,
    config,
    domain::id::NodeId,
    error::{Error, Outcome, Result},
};

pub struct EmbeddedStore {
    disk: Arc<Disk>,
    rules: Rules,
    presence: Presence,
    /// `None` once closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it; `None`: in memory. What is appended is told by `adapter`.
    pub fn open(
        path: Option<&Path>,
        config: &config::store::Store,
        presence: &config::presence::Presence,
        adapter: Arc<LocalAdapter>,
        node: NodeId,
    ) -> anyhow::Result<Arc<Self>> {
        let disk = path.map_or_else(Disk::in_memory, Disk::at)?;
        let presence = Presence::new(node, presence.grace, Arc::clone(&adapter));
        Self::on(disk, Rules::of(config), presence, adapter)
    }

    fn on(
        disk: Disk,
        rules: Rules,
        presence: Presence,
        adapter: Arc<LocalAdapter>,
    ) -> anyhow::Result<Arc<Self>> {
        let disk = Arc::new(disk);
        let (requests, queue) = mpsc::channel(QUEUE);
        let thread = Writer::new(Arc::clone(&disk), adapter, rules)
            .start(queue)
            .context("cannot start the store's thread")?;
        let (requests, thread) = (Mutex::new(Some(requests)), Mutex::new(Some(thread)));
        Ok(Arc::new(Self { disk, rules, presence, requests, thread }))
    }

    /// Finishes what is queued, then closes the file. What is asked later is refused.
    pub async fn close(&self) {
        self.requests.lock().take();
        let thread = self.thread.lock().take();
        // It ends when the last request is answered.
        let _ = tokio::task::spawn_blocking(move || join(thread)).await;
    }

    /// Queues a request and waits for its answer.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request,
    ) -> Result<T> {
        let Some(requests) = self.requests.lock().clone() else {
            return Err(Error::unavailable(Outcome::None));
        };
        let (reply, answer) = oneshot::channel();
        if requests.send(request(reply)).await.is_err() {
            return Err(Error::unavailable(Outcome::None));
        }
        drop(requests);
        answer.await.unwrap_or_else(|_| Err(Error::unavailable(Outcome::Unknown)))
    }

    /// Reads what is committed. If the file has failed, the writer is asked to open it again.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Logs) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let rules = self.rules;
        let result = self.disk.read(move |txn| work(&Logs::open(txn, rules)?)).await;
        if matches!(result, Err(Error::Unavailable { .. }))
            && let Some(requests) = &*self.requests.lock()
        {
            // A full queue has its own reasons to find out.
            let _ = requests.try_send(Request::Reopen);
        }
        result
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.requests.lock().take();
        join(self.thread.lock().take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("the store's thread ended in a panic");
    }
}
