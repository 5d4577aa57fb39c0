//! A Redis server of one's own: a port, a directory that vanishes, ended by its PID.
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    common::{Port, acl},
    world::SOON,
};

pub(crate) struct Server {
    port: Port,
    dir: TempDir,
    child: Option<Child>,
    /// The port of the cluster's bus, for a node of one.
    bus: Option<Port>,
    /// The port on which it speaks TLS, if it does.
    tls: Option<Port>,
    is_as_shipped: bool,
}

/// A file beside this one.
pub(crate) fn key_file(name: &str) -> String {
    format!("{}/tests/redis_backend/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Between two looks at whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Server {
    /// A place for a server that does not run yet.
    pub(crate) fn absent() -> Self {
        Self {
            port: Port::reserve(),
            dir: tempfile::tempdir().unwrap(),
            child: None,
            bus: None,
            tls: None,
            is_as_shipped: false,
        }
    }

    pub(crate) fn start() -> Self {
        let mut server = Self::absent();
        server.run();
        server
    }

    /// One that also speaks TLS, with a certificate that only `keys/ca.pem` vouches for.
    pub(crate) fn start_with_tls() -> Self {
        let mut server = Self::absent();
        server.tls = Some(Port::reserve());
        server.run();
        server
    }

    /// One as Compose and Kubernetes start it.
    pub(crate) fn start_as_shipped() -> Self {
        let mut server = Self::absent();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/redis");
        for name in ["redis.conf", "node.acl", "start.sh", "admin.sh"] {
            let text = std::fs::read_to_string(shipped.join(name)).unwrap();
            let data = server.dir.path().display().to_string();
            std::fs::write(server.dir.path().join(name), text.replace("/data", &data)).unwrap();
        }
        server.is_as_shipped = true;
        server.run();
        server
    }

    /// One command as who administers a Redis that was started as shipped.
    pub(crate) fn as_admin(&self, args: &[&str]) -> String {
        let asked = Command::new("sh")
            .arg(self.dir.path().join("admin.sh"))
            .args(["-p", &self.port().to_string()])
            .args(args)
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }

    /// A node of a cluster that has no slots yet.
    pub(crate) fn start_for_cluster() -> Self {
        let mut server = Self::absent();
        server.bus = Some(Port::reserve());
        server.run();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn bus(&self) -> u16 {
        self.bus.as_ref().expect("a node of a cluster").number()
    }

    /// Starts it on the data it left, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let bus = self.bus.as_ref().map_or(0, Port::number).to_string();
        let cluster: &[&str] = match self.bus {
            Some(_) => &["--cluster-enabled", "yes", "--cluster-port", &bus],
            None => &[],
        };
        let tls = self.tls.as_ref().map_or(Vec::new(), |port| {
            let port = port.number().to_string();
            let (own, key) = (key_file("redis.pem"), key_file("redis.for-tests-only.pem"));
            let asks = "no".to_owned();
            let ca = key_file("ca.pem");
            [
                ("port", port),
                ("cert-file", own),
                ("key-file", key),
                ("ca-cert-file", ca),
                ("auth-clients", asks),
            ]
            .into_iter()
            .flat_map(|(name, value)| [format!("--tls-{name}"), value])
            .collect()
        });
        let mut command = Command::new("redis-server");
        if self.is_as_shipped {
            command = Command::new("sh");
            command.arg(self.dir.path().join("start.sh")).arg("primary");
        }
        let child = command
            .args(cluster)
            .args(tls)
            .args(["--port", &self.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(self.dir.path())
            .args(acl::arguments())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH");
        self.child = Some(child);
        let end = Instant::now() + SOON;
        while !self.try_cli(&["PING"]).is_some_and(|reply| reply.contains("PONG")) {
            assert!(Instant::now() < end, "redis-server did not come up");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// As `kill -9`, but for what it has answered and not yet written: on a slow disk those may be
    /// two seconds.
    pub(crate) fn crash(&mut self) {
        assert_eq!(self.cli(&["CONFIG", "SET", "appendfsync", "always"]), "+OK");
        self.kill();
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// It lives, and answers nothing.
    pub(crate) fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a server runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        acl::url("redis", &format!("127.0.0.1:{}", self.port()))
    }

    /// The same with TLS.
    pub(crate) fn tls_url(&self) -> String {
        let port = self.tls.as_ref().expect("it speaks TLS").number();
        acl::url("rediss", &format!("127.0.0.1:{port}"))
    }

    /// One command on a connection of its own; the raw reply.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).expect("redis-server answers")
    }

    fn try_cli(&self, args: &[&str]) -> Option<String> {
        self.ask(&[args])
    }

    /// The same as the user that nodes are.
    pub(crate) fn as_node(&self, args: &[&str]) -> String {
        let (name, password) = acl::NODE.split_once(':').unwrap();
        let reply = self.ask(&[&["AUTH", name, password], args]).expect("redis-server answers");
        reply.strip_prefix("+OK\r\n").unwrap_or(&reply).to_owned()
    }

    fn ask(&self, commands: &[&[&str]]) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        // QUIT, so that the reply has an end.
        for args in commands.iter().chain([&["QUIT"].as_slice()]) {
            let parts = args.iter().map(|arg| format!("${}\r\n{arg}\r\n", arg.len()));
            let command = format!("*{}\r\n{}", args.len(), parts.collect::<String>());
            stream.write_all(command.as_bytes()).ok()?;
        }
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
