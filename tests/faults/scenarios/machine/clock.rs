//! A clock of the wall that is wrong, for one process: a library that comes before the C library's
//! and adds what stands in a file. Nothing else of the machine sees it.
use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::stage::Node;

/// Adds as many seconds as the file holds, which is mapped, so that it can step while in use.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long *off;

__attribute__((constructor)) static void open_clock(void) {
  int file = open(getenv("FALSE_CLOCK"), O_RDONLY);
  void *at = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0 && at != MAP_FAILED) off = at;
}

int clock_gettime(clockid_t which, struct timespec *into) {
  int said = syscall(SYS_clock_gettime, which, into);
  if (said == 0 && which == CLOCK_REALTIME && off) into->tv_sec += *off;
  return said;
}
"#;

pub(super) struct FalseClock {
    folder: TempDir,
}

impl FalseClock {
    pub(super) fn can_be_had() -> bool {
        Command::new("cc").arg("--version").output().is_ok_and(|said| said.status.success())
    }

    pub(super) fn new() -> Self {
        let clock = Self { folder: TempDir::new().unwrap() };
        let source = clock.folder.path().join("clock.c");
        fs::write(&source, SOURCE).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(clock.library()).arg(source);
        let said = compiler.output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        clock.is_off_by(0);
        clock
    }

    /// The node's next process goes by it.
    pub(super) fn of_next(&self, node: &Node) {
        node.will_find("LD_PRELOAD", self.library().display().to_string());
        node.will_find("FALSE_CLOCK", self.file().display().to_string());
    }

    /// From now on.
    pub(super) fn is_off_by(&self, seconds: i64) {
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(false).open(self.file());
        // In place: it is mapped.
        std::os::unix::fs::FileExt::write_all_at(&file.unwrap(), &seconds.to_ne_bytes(), 0)
            .unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }
}
