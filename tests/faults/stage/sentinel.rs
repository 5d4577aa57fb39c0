//! A primary with two replicas, watched by three sentinels; each node is led to them through
//! proxies of its own, and so are the servers and the sentinels to each server.
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Path, Server, redis_paths};
use crate::{
    checker::Target,
    common::{Process, acl, eventually_within},
    ports::free_port,
    proxy::{Frames, Plan},
    records::Name,
    run::{Notes, Run},
};

/// What the sentinels and the nodes call the primary.
const SERVICE: &str = "hubbub";
/// How long three sentinels may take to know each other and the replicas, or to fail over.
const AGREED_WITHIN: Duration = Duration::from_mins(1);

pub(crate) struct Sentinel {
    /// The first was the primary at the start.
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Watch>,
    /// How the other servers and the sentinels reach each server; they know no other way.
    pub(crate) among: Vec<Path>,
}

/// One sentinel.
pub(crate) struct Watch {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    pub(super) async fn start(notes: &Arc<Notes>, more: &[&str]) -> Self {
        let (mut servers, mut among) = (Vec::<Server>::new(), Vec::<Path>::new());
        for n in 0..3 {
            let told = free_port();
            let mut arguments: Vec<String> = more.iter().map(|&more| more.to_owned()).collect();
            arguments.extend(["--replica-announce-ip".to_owned(), "127.0.0.1".to_owned()]);
            arguments.extend(["--replica-announce-port".to_owned(), told.to_string()]);
            // A replica that was away takes what it missed, and nobody waits for more of them.
            arguments.extend(["--repl-diskless-sync-delay".to_owned(), "0".to_owned()]);
            if let Some(first) = among.first() {
                let of = format!("127.0.0.1 {}", first.at().port());
                arguments.extend(["--replicaof".to_owned(), of]);
            }
            let name = Name::new(&format!("redis-{}", n + 1));
            let server = Server::at(free_port(), notes, name, &arguments);
            let plan = Plan::to(server.address()).at(told);
            among.push(Path::open(plan, Target::Store, notes));
            servers.push(server);
        }
        let first = among[0].at().port();
        for server in &servers {
            server.inner().restart().await;
        }
        servers[0].says("INFO replication", |info| info.contains("connected_slaves:2")).await;
        let sentinels = (0..3).map(|_| Watch::start(first)).collect();
        let sentinel = Self { servers, sentinels, among };
        join_all(sentinel.sentinels.iter().map(|watch| async {
            let what = "the sentinels know each other";
            eventually_within(AGREED_WITHIN, what, || async {
                let said = watch.run(&format!("SENTINEL MASTER {SERVICE}")).await?;
                (field(&said, "num-slaves")? == "2" && field(&said, "num-other-sentinels")? == "2")
                    .then_some(())
            })
            .await;
        }))
        .await;
        sentinel
    }

    /// Which server the sentinels say is the primary now.
    pub(crate) async fn primary(&self) -> Option<&Server> {
        for watch in &self.sentinels {
            let ask = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}");
            let Some(said) = watch.run(&ask).await else { continue };
            let is_it = |way: &Path| said.contains(&way.at().port().to_string());
            return self.among.iter().position(is_it).map(|n| &self.servers[n]);
        }
        None
    }

    /// Waits until one server is the primary and the others follow it.
    pub(crate) async fn is_whole(&self) {
        eventually_within(AGREED_WITHIN, "one primary, two replicas", || async {
            let primary = self.primary().await?;
            let info = primary.run("INFO replication").await?;
            let online = info.matches("state=online").count();
            (info.contains("role:master") && online == 2).then_some(())
        })
        .await;
    }

    /// Waits until the sentinels have made another server the primary.
    pub(crate) async fn fails_over_from(&self, old: SocketAddr) -> &Server {
        eventually_within(AGREED_WITHIN, "another primary", || async {
            self.primary().await.filter(|server| server.address() != old)
        })
        .await
    }

    /// A planned failover.
    pub(crate) async fn fail_over(&self) {
        self.sentinels[0].run(&format!("SENTINEL FAILOVER {SERVICE}")).await;
    }

    /// A node's ways: first to the three servers, then to the three sentinels, and its URL.
    pub(super) fn paths_for(&self, node: usize, run: &Run) -> (Vec<Path>, String) {
        let told = self.among.iter().map(|way| way.at().port());
        let servers = self.servers.iter().map(Server::address).zip(told);
        let sentinels = self.sentinels.iter().map(|watch| (watch.address(), watch.port));
        let to: Vec<_> = servers.chain(sentinels).collect();
        let paths = redis_paths(&to, node, run, |plan| plan);
        let ways: Vec<_> = paths[self.servers.len()..].iter().map(|path| path.at()).collect();
        let others: Vec<String> = ways[1..].iter().map(|way| format!("node={way}")).collect();
        let hosts = format!("{}?{}&sentinelServiceName={SERVICE}", ways[0], others.join("&"));
        (paths, acl::url("redis-sentinel", &hosts))
    }
}

impl Watch {
    fn start(primary: u16) -> Self {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let file = folder.path().join("sentinel.conf");
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {SERVICE} 3000\n\
             sentinel failover-timeout {SERVICE} 10000\n\
             sentinel parallel-syncs {SERVICE} 1\n",
            folder.path().display(),
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        Self { _process: Process::start("sentinel", command), port, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    async fn run(&self, command: &str) -> Option<String> {
        // It knows no QUIT, so the end of the answer is found by its own length.
        let asked = async {
            let mut stream = TcpStream::connect(self.address()).await.ok()?;
            stream.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
            let (mut frames, mut buffer) = (Frames::default(), [0; 4096]);
            loop {
                let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
                if let Some(said) = frames.take(&buffer[..n]).into_iter().next() {
                    return Some(String::from_utf8_lossy(&said.bytes).into_owned());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?
    }
}

/// A field of an answer that lists names and values by turns.
fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = said.split("\r\n").filter(|part| !part.starts_with(['$', '*', '%']));
    parts.find(|part| *part == name)?;
    parts.next()
}
