//! A Redis of the test's own: it can crash, and come back with what it has written.
use std::process::Command;

use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{PATIENCE, Process, acl, eventually, port::Port};

pub(crate) struct Redis {
    process: Mutex<Option<Process>>,
    port: Port,
    folder: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let redis = Self::not_yet();
        redis.restart().await;
        redis
    }

    /// A place for one that is started later.
    pub(crate) fn not_yet() -> Self {
        let (process, port) = (Mutex::default(), Port::reserve());
        Self { process, port, folder: TempDir::new().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        acl::url("redis", &format!("127.0.0.1:{}", self.port.number()))
    }

    /// Starts it (again), on the same port and with what is in its folder.
    pub(crate) async fn restart(&self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.number().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(self.folder.path())
            .args(acl::arguments());
        *self.process.lock() = Some(Process::start("redis-server", command));
        eventually("Redis answers", || async {
            let pong = self.run("PING").await;
            pong.filter(|pong| pong.starts_with("+PONG"))
        })
        .await;
    }

    /// Kills it as a crash would, but for what it has answered and not yet written: on a slow disk
    /// those may be two seconds. Nobody else can take its place meanwhile.
    pub(crate) async fn kill(&self) {
        let written = self.run("CONFIG SET appendfsync always").await.unwrap();
        assert!(written.starts_with("+OK"), "{written}");
        let process = self.process.lock().take().unwrap();
        process.kill().await;
    }

    /// Everything ever written to it, keys and values, as it stands in the append-only files.
    pub(crate) fn written(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("appendonlydir")).unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()
        };
        files.map(read).collect()
    }

    /// Stops answering, and keeps every connection open.
    pub(crate) fn hangs(&self) {
        self.process.lock().as_ref().unwrap().signal(Signal::STOP);
    }

    pub(crate) fn goes_on(&self) {
        self.process.lock().as_ref().unwrap().signal(Signal::CONT);
    }

    /// Runs one command, given and answered as in a terminal's raw line; none: it is not there.
    pub(crate) async fn run(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).await.ok()?;
        // `QUIT` closes, so that the whole answer is what comes until the end.
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}
