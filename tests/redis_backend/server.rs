//! A Redis server of one's own: a free port, a directory that vanishes, ended by its PID.
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) struct Server {
    port: u16,
    dir: TempDir,
    child: Option<Child>,
    /// The port of the cluster's bus, for a node of one.
    bus: Option<u16>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// A place for a server that does not run yet.
    pub(crate) fn absent() -> Self {
        Self { port: free_port(), dir: tempfile::tempdir().unwrap(), child: None, bus: None }
    }

    pub(crate) fn start() -> Self {
        let mut server = Self::absent();
        server.run();
        server
    }

    /// A node of a cluster that has no slots yet.
    pub(crate) fn start_for_cluster() -> Self {
        let mut server = Self::absent();
        server.bus = Some(free_port());
        server.run();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn bus(&self) -> u16 {
        self.bus.expect("a node of a cluster")
    }

    /// Starts it on the data it left, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let bus = self.bus.unwrap_or_default().to_string();
        let cluster: &[&str] = match self.bus {
            Some(_) => &["--cluster-enabled", "yes", "--cluster-port", &bus],
            None => &[],
        };
        let child = Command::new("/usr/bin/redis-server")
            .args(cluster)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(10);
        while !self.try_cli(&["PING"]).is_some_and(|reply| reply.contains("PONG")) {
            assert!(Instant::now() < end, "redis-server did not come up");
            std::thread::yield_now();
        }
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// It lives, and answers nothing.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("a server runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// One command on a connection of its own; the raw reply.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).expect("redis-server answers")
    }

    fn try_cli(&self, args: &[&str]) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let parts = args.iter().map(|arg| format!("${}\r\n{arg}\r\n", arg.len()));
        let mut command = format!("*{}\r\n{}", args.len(), parts.collect::<String>());
        // QUIT, so that the reply has an end.
        command.push_str("*1\r\n$4\r\nQUIT\r\n");
        stream.write_all(command.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply.strip_suffix("+OK\r\n").unwrap_or(&reply).trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
