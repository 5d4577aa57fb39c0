//! The open file, and how it is opened again after it has failed.
use std::{
    any::Any,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use parking_lot::{Mutex, RwLock};
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _};

use super::tables::{self, Fault};
use crate::error::{Error, Outcome, Result};

/// Memory redb may fill with pages.
const CACHE: usize = 64 * 1024 * 1024;
/// How often at most a file that failed is opened again.
const REOPEN: Duration = Duration::from_millis(500);

/// Opens the same file again.
pub(super) type Opener = Box<dyn Fn() -> anyhow::Result<Database> + Send + Sync>;

/// The database, as long as there is one.
pub(super) struct Disk {
    /// `None`: it failed and could not be opened again yet, or it is closed.
    /// A reader holds it for one page, so that the writer can replace it.
    db: RwLock<Option<Database>>,
    /// `None`: in memory, where there is nothing to open again.
    opener: Option<Opener>,
    tried: Mutex<Option<Instant>>,
}

impl Disk {
    pub(super) fn in_memory() -> anyhow::Result<Self> {
        let db = Builder::new().create_with_backend(redb::backends::InMemoryBackend::new())?;
        tables::prepare(&db)?;
        Ok(Self { db: RwLock::new(Some(db)), opener: None, tried: Mutex::default() })
    }

    pub(super) fn at(path: &Path) -> anyhow::Result<Self> {
        make_parents(path)?;
        let path = path.to_owned();
        Self::by(Box::new(move || open_file(&path)))
    }

    pub(super) fn by(opener: Opener) -> anyhow::Result<Self> {
        let db = opener()?;
        Ok(Self { db: RwLock::new(Some(db)), opener: Some(opener), tried: Mutex::default() })
    }

    /// Whether what is written is still there after the process.
    pub(super) fn is_lasting(&self) -> bool {
        self.opener.is_some()
    }

    /// Runs `work` on the database, if there is one.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> T) -> Option<T> {
        self.db.read().as_ref().map(work)
    }

    /// Runs `work` on what is committed now, off the runtime's threads.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(self);
        let task = move || disk.with(|db| work(&db.begin_read()?));
        match tokio::task::spawn_blocking(task).await {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(fault))) => Err(answer(fault)),
            Ok(None) => Err(Error::unavailable(Outcome::None)),
            Err(ended) => Err(match ended.try_into_panic() {
                Ok(panic) => anyhow!("the store is damaged: {}", panic_text(&*panic)).into(),
                // The runtime is going away.
                Err(_) => Error::unavailable(Outcome::None),
            }),
        }
    }

    /// Opens the file again, unless that was tried a moment ago. `true`: it is open and sound.
    pub(super) fn reopen(&self) -> bool {
        let Some(opener) = &self.opener else { return false };
        let mut tried = self.tried.lock();
        if tried.is_some_and(|at| at.elapsed() < REOPEN) {
            return false;
        }
        *tried = Some(Instant::now());
        let mut db = self.db.write();
        // The lock on the file goes with the old one, so it has to go first.
        let old = db.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
        match opener() {
            Ok(sound) => {
                *db = Some(sound);
                tracing::warn!("the store was opened again");
                true
            }
            Err(error) => {
                tracing::error!(error = %format!("{error:#}"), "the store cannot be opened again");
                false
            }
        }
    }

    /// The last thing that happens to it: the file is closed cleanly and its lock released.
    pub(super) fn close(&self) {
        let old = self.db.write().take();
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            tracing::error!("the store could not be closed cleanly; it is repaired at the start");
        }
    }
}

/// How a fault looks to whoever asked. The disk may come back; damage does not go away.
pub(super) fn answer(fault: Fault) -> Error {
    match fault {
        Fault::Store(
            redb::Error::Io(_)
            | redb::Error::PreviousIo
            | redb::Error::DatabaseClosed
            | redb::Error::LockPoisoned(_),
        ) => Error::unavailable(Outcome::None),
        fault => Error::Internal(fault.into()),
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

/// Makes the folders above the file, durably.
fn make_parents(path: &Path) -> anyhow::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .filter(|dir| !dir.as_os_str().is_empty() && !dir.exists())
        .collect();
    let Some(parent) = missing.first() else { return Ok(()) };
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    missing.iter().try_for_each(|dir| sync_parent(dir))
}

/// Makes it durable that `path` exists.
fn sync_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .with_context(|| format!("cannot sync {}", parent.display()))
}

/// Opens or creates the file. A damaged one makes redb panic now and then: that is an error too.
fn open_file(path: &Path) -> anyhow::Result<Database> {
    let shown = path.display();
    let is_new = !path.exists();
    let opened = catch_unwind(AssertUnwindSafe(|| -> anyhow::Result<Database> {
        let db = match Builder::new().set_cache_size(CACHE).create(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(anyhow!(
                    "the store {shown} is in use by another process; stop it, or name another file"
                ));
            }
            other => other.with_context(|| format!("cannot open the store {shown}"))?,
        };
        tables::prepare(&db).with_context(|| format!("cannot use the store {shown}"))?;
        Ok(db)
    }));
    let db = opened.unwrap_or_else(|panic| {
        Err(anyhow!("the store {shown} is damaged: {}", panic_text(&*panic)))
    })?;
    if is_new {
        sync_parent(path)?;
    }
    Ok(db)
}
