//! The one thread that writes. It takes what waits, up to [`GROUP`] at a time, into one
//! transaction, tells what was committed in commit order, and only then answers.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use redb::{Database, Durability, ReadableTable as _};
use tokio::sync::{mpsc, oneshot};

use super::{
    append::{Rules, Step, append},
    disk::{Disk, panic_text},
    moderation::decide,
    paces::Paces,
    roles::change,
    tables::{Fault, Tables, seal, unseal},
};
use crate::{
    adapter::{GapCause, local::LocalAdapter},
    domain::{message::Message, moderation::Act, trace::TraceParent},
    error::{Error, Outcome, Result},
    store::{log::Appended, roles::Change},
};

/// The most requests in one transaction.
const GROUP: usize = 128;
/// How many requests may wait; at it, who asks waits too.
pub(super) const QUEUE: usize = 1_024;
/// The guests' key among the facts about the store.
const GUEST_KEY: &str = "guest_key";

/// What the writer is asked for.
pub(super) enum Request {
    Append(Message, Option<TraceParent>, oneshot::Sender<Result<Appended>>),
    GuestKey(String, oneshot::Sender<Result<String>>),
    Decide(Act, oneshot::Sender<Result<()>>),
    Change(Change, oneshot::Sender<Result<bool>>),
    /// A reader found that the file failed: then beginning a transaction fails too, and the file
    /// is opened again.
    Reopen,
}

/// What came of a request within the transaction; true once that is committed.
enum Done {
    Append(Result<Step>),
    GuestKey(Result<String>),
    Decide(Result<()>),
    Change(Result<bool>),
    Nothing,
}

pub(super) struct Writer {
    disk: Arc<Disk>,
    adapter: Arc<LocalAdapter>,
    rules: Rules,
    paces: Paces,
    /// The file failed and was not opened again since.
    failed: bool,
    /// A commit failed, so entries may be there that nobody was told of.
    untold: bool,
}

impl Writer {
    pub(super) fn new(disk: Arc<Disk>, adapter: Arc<LocalAdapter>, rules: Rules) -> Self {
        Self { disk, adapter, rules, paces: Paces::default(), failed: false, untold: false }
    }

    /// Runs until every sender is gone and everything they sent is answered; then closes the file.
    pub(super) fn start(
        mut self,
        mut requests: mpsc::Receiver<Request>,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let mut group = Vec::with_capacity(GROUP);
            while requests.blocking_recv_many(&mut group, GROUP) > 0 {
                self.serve(std::mem::take(&mut group));
            }
            self.disk.close();
        })
    }

    fn serve(&mut self, group: Vec<Request>) {
        if self.failed && !self.recover() {
            return refuse(group, Outcome::None);
        }
        let mut committing = false;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let terms = (&self.rules, &mut self.paces);
            self.disk.with(|db| write(db, terms, &group, &mut committing))
        }));
        match result {
            Ok(Some(Ok(done))) => self.complete(group, done),
            Ok(Some(Err(fault))) => self.fail(group, committing, &fault.to_string()),
            Ok(None) => self.fail(group, committing, "it is not open"),
            Err(panic) => self.fail(group, committing, panic_text(&*panic)),
        }
    }

    /// Tells in commit order what was committed, then answers.
    fn complete(&self, group: Vec<Request>, done: Vec<Done>) {
        let entries = done.iter().filter_map(|done| match done {
            Done::Append(Ok((_, entry))) => entry.as_ref(),
            _ => None,
        });
        for entry in entries {
            self.adapter.publish_entry(Arc::clone(entry));
        }
        for pair in group.into_iter().zip(done) {
            // Who no longer waits has heard `unknown` already.
            match pair {
                (Request::Append(_, _, reply), Done::Append(result)) => {
                    let _ = reply.send(result.map(|(appended, _)| appended));
                }
                (Request::GuestKey(_, reply), Done::GuestKey(result)) => {
                    let _ = reply.send(result);
                }
                (Request::Decide(act, reply), Done::Decide(result)) => {
                    if result.is_ok() {
                        self.adapter.publish_act(act);
                    }
                    let _ = reply.send(result);
                }
                (Request::Change(change, reply), Done::Change(result)) => {
                    if matches!(result, Ok(true)) {
                        self.adapter.publish_act(change.act);
                    }
                    let _ = reply.send(result);
                }
                _ => {}
            }
        }
    }

    /// Nothing of this was done, or (a commit that failed) nobody knows. redb takes no more writes
    /// after either, so the file has to be opened again.
    fn fail(&mut self, group: Vec<Request>, committing: bool, why: &str) {
        tracing::error!(why, committing, "the store failed");
        self.failed = true;
        self.untold |= committing;
        self.recover();
        refuse(group, if committing { Outcome::Unknown } else { Outcome::None });
    }

    fn recover(&mut self) -> bool {
        if self.disk.reopen() {
            self.failed = false;
            if std::mem::take(&mut self.untold) {
                self.adapter.publish_gap(GapCause::Reconnected);
            }
        }
        !self.failed
    }
}

/// One transaction for all of them. `committing` says how far it came, also if it panics.
fn write(
    db: &Database,
    (rules, paces): (&Rules, &mut Paces),
    group: &[Request],
    committing: &mut bool,
) -> Result<Vec<Done>, Fault> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(true);
    let mut done = Vec::with_capacity(group.len());
    let mut wrote = false;
    {
        let mut tables = Tables::open(&txn)?;
        for request in group {
            done.push(match request {
                Request::Append(message, trace, _) => {
                    let step = append(&mut tables, (rules, paces), (message, *trace))?;
                    wrote |= matches!(step, Ok((_, Some(_))));
                    Done::Append(step)
                }
                Request::GuestKey(candidate, _) => {
                    let (key, is_new) = guest_key(&mut tables, candidate)?;
                    wrote |= is_new;
                    Done::GuestKey(key)
                }
                Request::Decide(act, _) => {
                    let decided = decide(&mut tables, act)?;
                    wrote |= decided.is_ok();
                    Done::Decide(decided)
                }
                Request::Change(wanted, _) => {
                    let changed = change(&mut tables, wanted)?;
                    wrote |= matches!(changed, Ok(true));
                    Done::Change(changed)
                }
                Request::Reopen => Done::Nothing,
            });
        }
    }
    if wrote {
        *committing = true;
        txn.commit()?;
    } else {
        txn.abort()?;
    }
    Ok(done)
}

/// The guests' key, and whether it is a new one.
fn guest_key(tables: &mut Tables<'_>, candidate: &str) -> Result<(Result<String>, bool), Fault> {
    if let Some(row) = tables.about.get(GUEST_KEY)? {
        let key = unseal(GUEST_KEY, row.value()).map(str::to_owned);
        return Ok((key.map_err(|fault| Error::Internal(fault.into())), false));
    }
    tables.about.insert(GUEST_KEY, seal(GUEST_KEY, candidate).as_slice())?;
    Ok((Ok(candidate.to_owned()), true))
}

fn refuse(group: Vec<Request>, outcome: Outcome) {
    for request in group {
        match request {
            Request::Append(_, _, reply) => {
                let _ = reply.send(Err(Error::unavailable(outcome)));
            }
            Request::GuestKey(_, reply) => {
                let _ = reply.send(Err(Error::unavailable(outcome)));
            }
            Request::Decide(_, reply) => {
                let _ = reply.send(Err(Error::unavailable(outcome)));
            }
            Request::Change(_, reply) => {
                let _ = reply.send(Err(Error::unavailable(outcome)));
            }
            Request::Reopen => {}
        }
    }
}
