//! A power failure: Redis is killed, and its append-only file cut to what had reached the disk. How
//! much that was is what strace has seen: what was written before the last fsync began.
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::stage::Server;

/// Redis being watched.
pub(super) struct Power {
    strace: Child,
    trace: PathBuf,
    _folder: TempDir,
}

impl Power {
    /// Whether strace is there, and may watch.
    pub(super) fn can_fail() -> bool {
        let Ok(mut sleeper) = Command::new("sleep").arg("5").spawn() else { return false };
        let pid = sleeper.id().to_string();
        let said = Command::new("timeout").args(["1", "strace", "-p", &pid]).output();
        sleeper.kill().ok();
        sleeper.wait().ok();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stderr).contains("attached"))
    }

    /// From now on it is known what reaches the disk.
    pub(super) fn watch(redis: &Server) -> Self {
        let folder = TempDir::new().unwrap();
        let trace = folder.path().join("trace");
        let pid = redis.inner().pid().expect("Redis runs").to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "trace=write,fdatasync,fsync", "-e", "signal=none", "-s", "0"]);
        strace.arg("-P").arg(file_of(redis)).arg("-o").arg(&trace).args(["-p", &pid]);
        let mut strace = strace.stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(strace.stderr.take().unwrap());
        let (attached, is_attached) = mpsc::channel();
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if line.contains("attached") {
                    attached.send(()).ok();
                }
            }
        });
        is_attached.recv().expect("strace watches Redis");
        Self { strace, trace, _folder: folder }
    }

    /// Now. Redis is gone; how many bytes were not on the disk.
    pub(super) async fn fails(mut self, redis: &Server) -> u64 {
        let file = file_of(redis);
        redis.kill().await;
        // It ends with whom it watched.
        self.strace.wait().unwrap();
        let trace = fs::read_to_string(&self.trace).unwrap();
        let (written, synced) = Trace::default().read(&trace);
        let length = fs::metadata(&file).unwrap().len();
        let unsynced = written - synced;
        assert!(synced > 0, "no fsync was seen in\n{trace}");
        let kept = length - unsynced;
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(kept).unwrap();
        unsynced
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        if self.strace.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill_process(Pid::from_child(&self.strace), Signal::INT).ok();
            self.strace.wait().ok();
        }
    }
}

/// The file that Redis appends to now.
fn file_of(redis: &Server) -> PathBuf {
    let folder = redis.inner().folder().join("appendonlydir");
    let files = fs::read_dir(folder).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".incr.aof")?;
        name.rsplit('.').next()?.parse::<u64>().ok()
    };
    files.filter_map(|path| Some((number(&path)?, path))).max().expect("there is a file").1
}

/// What strace writes is added up rightly.
pub(crate) fn trial() -> Trial {
    Trial::test("power::what_reached_the_disk_is_added_up", || {
        let trace = "10 write(8, \"\"..., 100) = 100\n\
                     12 fdatasync(8 <unfinished ...>\n\
                     10 write(8, \"\"..., 30)          = 30\n\
                     12 <... fdatasync resumed>)        = 0\n\
                     10 write(8, \"\"..., 7 <unfinished ...>\n\
                     10 <... write resumed>)            = 7\n\
                     12 fdatasync(8 <unfinished ...>\n\
                     10 +++ killed by SIGKILL +++\n";
        let read = Trace::default().read(trace);
        if read == (137, 100) { Ok(()) } else { Err(format!("{read:?}, not (137, 100)").into()) }
    })
}

/// What the lines of strace add up to.
#[derive(Default)]
struct Trace {
    written: u64,
    synced: u64,
    /// By thread: a call that has begun, and what had been written then.
    begun: HashMap<String, u64>,
}

impl Trace {
    /// Bytes written, and bytes that were written before the last fsync that ended had begun.
    fn read(mut self, trace: &str) -> (u64, u64) {
        for line in trace.lines() {
            let Some((thread, call)) = line.trim_start().split_once(' ') else { continue };
            let call = call.trim_start();
            let is_sync = call.contains("sync");
            let is_begun = call.contains("<unfinished");
            let result = call
                .rsplit_once("= ")
                .and_then(|(_, result)| result.split_whitespace().next()?.parse::<i64>().ok());
            if is_sync && is_begun {
                self.begun.insert(thread.to_owned(), self.written);
            } else if is_sync && result == Some(0) {
                let resumed = call.starts_with("<...");
                let begun = resumed.then(|| self.begun.remove(thread)).flatten();
                self.synced = self.synced.max(begun.unwrap_or(self.written));
            } else if call.contains("write") && !is_begun {
                self.written += result.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            }
        }
        (self.written, self.synced)
    }
}
