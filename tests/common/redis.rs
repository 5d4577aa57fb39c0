//! A Redis of the test's own: it can crash, and come back with what it has written.
use std::{path::Path, process::Command, time::Duration};

use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Process, acl, port::Port, wait::eventually};

/// How long an answer may take before it counts as none.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Redis {
    process: Mutex<Option<Process>>,
    port: Port,
    folder: TempDir,
    /// Beyond those of every test's Redis.
    arguments: Vec<String>,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let redis = Self::not_yet();
        redis.restart().await;
        redis
    }

    /// A place for one that is started later.
    pub(crate) fn not_yet() -> Self {
        Self::on(Port::reserve(), Vec::new())
    }

    /// A place at this port, for one with these arguments.
    pub(crate) fn at(port: u16, arguments: Vec<String>) -> Self {
        Self::on(Port::given(port), arguments)
    }

    fn on(port: Port, arguments: Vec<String>) -> Self {
        Self { process: Mutex::default(), port, folder: TempDir::new().unwrap(), arguments }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it keeps what it is given.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process, while there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.lock().as_ref().map(Process::id)
    }

    pub(crate) fn url(&self) -> String {
        acl::url("redis", &format!("127.0.0.1:{}", self.port()))
    }

    /// Starts it (again), on the same port and with what is in its folder.
    pub(crate) async fn restart(&self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(self.folder.path())
            .args(acl::arguments())
            .args(&self.arguments);
        *self.process.lock() = Some(Process::start("redis-server", command));
        eventually("Redis answers", || async {
            let pong = self.run("PING").await;
            pong.filter(|pong| pong.starts_with("+PONG"))
        })
        .await;
    }

    /// Kills it as a crash would; the port is free afterwards.
    pub(crate) async fn kill(&self) {
        let process = self.process.lock().take().unwrap();
        process.kill().await;
    }

    /// The same, but not before it has written all it has answered: on a slow disk that may be two
    /// seconds late.
    pub(crate) async fn kill_once_written(&self) {
        let written = self.run("CONFIG SET appendfsync always").await.unwrap();
        assert!(written.starts_with("+OK"), "{written}");
        self.kill().await;
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
        let asked = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await.ok()?;
            // `QUIT` closes, so that the whole answer is what comes until the end.
            stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            Some(String::from_utf8_lossy(&answer).into_owned())
        };
        tokio::time::timeout(ANSWERS_WITHIN, asked).await.ok()?
    }
}
