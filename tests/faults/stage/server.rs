//! A Redis with the settings we ship, whose faults are written down.
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use crate::{
    checker::{Target, What},
    common::{Redis, eventually},
    records::Name,
    run::Notes,
};

/// Beyond the append-only file, which every test's Redis has.
const AS_SHIPPED: [&str; 8] = [
    "--maxmemory-policy",
    "noeviction",
    "--client-output-buffer-limit",
    "pubsub 256mb 64mb 30",
    "--loglevel",
    "notice",
    "--enable-debug-command",
    "local",
];

pub(crate) struct Server {
    redis: Redis,
    pub(crate) name: Name,
    notes: Arc<Notes>,
}

impl Server {
    /// A place for one, with these arguments beyond those we ship.
    pub(super) fn at(port: u16, notes: &Arc<Notes>, name: Name, more: &[String]) -> Self {
        let log = notes.folder().join(format!("{name}.log")).display().to_string();
        let arguments = AS_SHIPPED.map(str::to_owned).into_iter();
        let arguments = arguments.chain(["--logfile".to_owned(), log]).chain(more.iter().cloned());
        Self { redis: Redis::at(port, arguments.collect()), name, notes: notes.clone() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.redis.port()).into()
    }

    /// Beneath, for what a scenario wants to know or do that is no fault.
    pub(crate) fn inner(&self) -> &Redis {
        &self.redis
    }

    /// As a crash would.
    pub(crate) async fn kill(&self) {
        self.notes.fault(Target::Store, What::Killed);
        self.redis.kill().await;
    }

    /// Again, with what it has kept.
    pub(crate) async fn start_again(&self) {
        self.redis.restart().await;
        self.notes.fault(Target::Store, What::Started);
    }

    /// It lives, and answers nothing.
    pub(crate) fn stop(&self) {
        self.notes.fault(Target::Store, What::Stopped);
        self.redis.hangs();
    }

    pub(crate) fn go_on(&self) {
        self.redis.goes_on();
        self.notes.fault(Target::Store, What::Continued);
    }

    /// Again, with nothing: its volume was lost.
    pub(crate) async fn start_empty(&self) {
        let files = std::fs::read_dir(self.redis.folder()).unwrap();
        for file in files.filter_map(Result::ok) {
            std::fs::remove_dir_all(file.path())
                .or_else(|_| std::fs::remove_file(file.path()))
                .unwrap();
        }
        self.start_again().await;
    }

    /// It is made to fail by this, until it [recovers](Self::recovers).
    pub(crate) async fn suffers(&self, command: &str) {
        self.notes.fault(Target::Store, What::Broken);
        self.run(command).await.unwrap_or_else(|| panic!("{} does not answer", self.name));
    }

    /// What it suffered from is over, by this.
    pub(crate) async fn recovers(&self, command: &str) {
        self.run(command).await.unwrap_or_else(|| panic!("{} does not answer", self.name));
        self.notes.fault(Target::Store, What::Healed);
    }

    /// A number that `INFO` tells.
    pub(crate) async fn info(&self, name: &str) -> u64 {
        let said = self.run("INFO all").await.unwrap_or_default();
        let named = |line: &str| {
            Some(line.split_once(':').filter(|(n, _)| *n == name)?.1.trim().to_owned())
        };
        let value = said.lines().find_map(named);
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in INFO"))
    }

    /// All keys.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let said = self.run("KEYS *").await.unwrap_or_default();
        said.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
    }

    /// One command by a connection of its own; none: it does not answer.
    pub(crate) async fn run(&self, command: &str) -> Option<String> {
        self.redis.run(command).await
    }

    /// Waits until this command is answered so.
    pub(crate) async fn says(&self, command: &str, is_it: impl Fn(&str) -> bool) {
        eventually(&format!("{} answers {command} as it should", self.name), || async {
            self.run(command).await.filter(|answer| is_it(answer)).map(drop)
        })
        .await;
    }
}
