//! What was found: each mistake with where it shows and what to do, for people or as JSON.
use std::io::{self, Write};

use anyhow::Context;
use reqwest::Url;
use serde::Serialize;

/// The mistakes there are; each is found once, however often it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Mistake {
    NotHubbub,
    NotTaken,
    Sticky,
    Idle,
    Buffered,
    Upgrade,
    Cors,
    Clock,
    NotReady,
    Store,
    Durability,
    Eviction,
    Resp2,
    MixedReleases,
}

#[derive(Debug, Serialize)]
struct Finding {
    code: Mistake,
    /// What is wrong.
    what: String,
    /// Where it shows.
    at: String,
    /// What to do.
    todo: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    reached: bool,
    healthy: bool,
    findings: Vec<Finding>,
    /// What was seen to be right.
    seen: Vec<String>,
}

impl Report {
    pub(super) fn new(url: &Url) -> Self {
        let url = url.to_string();
        Self { url, reached: false, healthy: true, findings: Vec::new(), seen: Vec::new() }
    }

    /// A part that is written for itself, and added later.
    pub(super) fn part(&self) -> Self {
        let (url, reached) = (self.url.clone(), self.reached);
        Self { url, reached, healthy: true, findings: Vec::new(), seen: Vec::new() }
    }

    pub(super) fn add(&mut self, part: Self) {
        for finding in part.findings {
            if !self.has(finding.code) {
                self.findings.push(finding);
            }
        }
        self.seen.extend(part.seen);
        self.healthy = self.findings.is_empty();
    }

    pub(super) fn reached(&mut self) {
        self.reached = true;
    }

    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    pub(super) fn findings(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn seen(&mut self, what: impl Into<String>) {
        self.seen.push(what.into());
    }

    pub(super) fn found(&mut self, code: Mistake, what: impl Into<String>, at: impl Into<String>) {
        if !self.has(code) {
            let (what, at, todo) = (what.into(), at.into(), code.todo());
            self.findings.push(Finding { code, what, at, todo });
            self.healthy = false;
        }
    }

    fn has(&self, code: Mistake) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    pub(super) fn say(&self, as_json: bool) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let said = if as_json {
            serde_json::to_string_pretty(self)
                .map_err(io::Error::other)
                .and_then(|json| writeln!(out, "{json}"))
        } else {
            self.write(&mut out)
        };
        match said {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.context("the report cannot be written"),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for seen in &self.seen {
            writeln!(out, "good   {seen}")?;
        }
        for Finding { code, what, at, todo } in &self.findings {
            let code: &'static str = code.into();
            writeln!(out, "\nWRONG  {what} [{code}]\n  at   {at}\n  do   {todo}")?;
        }
        out.flush()
    }
}

impl Mistake {
    fn todo(self) -> &'static str {
        match self {
            Self::NotHubbub => "Pass everything under /socket.io/ on to Hubbub, its query too.",
            Self::NotTaken => {
                "See /readyz and the log of the node: it is full, draining, or waits for its store."
            }
            Self::Sticky => {
                "Make the balancer send all requests of a client to one node (a cookie is best), or \
                 have clients use WebSockets only and set engine.polling = false."
            }
            Self::Idle => {
                "Set the idle timeouts of every proxy on the way to more than twice \
                 engine.ping_interval, or engine.ping_interval to less than half of the smallest."
            }
            Self::Buffered => {
                "Switch off the buffering of answers on the way (nginx: proxy_buffering off, \
                 proxy_http_version 1.1), and whatever inspects them."
            }
            Self::Upgrade => {
                "Pass the headers Upgrade and Connection on (nginx: proxy_set_header; some balancers \
                 have a switch for WebSockets), with HTTP/1.1 to the nodes."
            }
            Self::Cors => {
                "Name the page's origin in server.origins, and let no proxy take away, replace or \
                 repeat the Access-Control headers."
            }
            Self::Clock => "Keep the clocks of all machines right by NTP.",
            Self::NotReady => {
                "See the node's log: it may be starting or draining, or its Redis may be away."
            }
            Self::Store => "See to Redis, and to the network between it and the nodes.",
            Self::Durability => "Set appendonly yes (and appendfsync everysec or always) in Redis.",
            Self::Eviction => {
                "Set maxmemory-policy noeviction in Redis, and maxmemory large enough."
            }
            Self::Resp2 => {
                "Use Redis 7 or newer, or Valkey, and no proxy before it that does not speak RESP3."
            }
            Self::MixedReleases => "Finish the upgrade: all nodes on one release.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_where_and_what_to_do_and_only_once() {
        let mut report = Report::new(&"http://h/".parse().unwrap());
        report.seen("a WebSocket");
        report.found(Mistake::Clock, "an hour late", "the Date header");
        report.found(Mistake::Clock, "two hours late", "elsewhere");
        let mut part = report.part();
        part.found(Mistake::Clock, "again", "here");
        report.add(part);

        let mut out = Vec::new();
        report.write(&mut out).unwrap();

        assert_eq!(
            String::from_utf8(out).unwrap(),
            "good   a WebSocket\n\nWRONG  an hour late [clock]\n  at   the Date header\n  do   \
             Keep the clocks of all machines right by NTP.\n"
        );
        assert_eq!((report.findings(), report.healthy), (1, false));
    }
}
