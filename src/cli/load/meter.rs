//! What the servers' processes and the store used: by /proc, by their metrics, by Redis' INFO.
use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;

/// For one question to a server or a Redis.
const PATIENCE: Duration = Duration::from_secs(3);
const LARGEST_ANSWER: u64 = 16 << 20;

/// Where figures come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    sources: Vec<(Source, Kind)>,
    redis: Vec<String>,
}

#[derive(Debug, Clone)]
enum Source {
    Pid(u32),
    Metrics(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Node,
    Store,
}

/// All figures at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) processes: Vec<Process>,
    pub(super) redis: Vec<Redis>,
    /// Of the tester's own processes.
    pub(super) tester_cpu_us: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) cpu_us: u64,
    pub(super) memory: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Redis {
    pub(super) commands: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Meter {
    pub(super) fn new(args: &super::options::LoadArgs) -> Self {
        let nodes = args.pid.iter().map(|pid| (Source::Pid(*pid), Kind::Node));
        let stores = args.store_pid.iter().map(|pid| (Source::Pid(*pid), Kind::Store));
        let metrics = args.metrics.iter().map(|url| (Source::Metrics(url.clone()), Kind::Node));
        Self { sources: nodes.chain(stores).chain(metrics).collect(), redis: args.redis.clone() }
    }

    /// `testers`: the tester's own processes.
    pub(super) fn read(&self, testers: &[u32]) -> anyhow::Result<Sample> {
        let processes = self.sources.iter().map(|(source, kind)| source.read(*kind));
        let redis = self.redis.iter().map(|url| {
            ask_redis(url).with_context(|| format!("--redis {} does not answer", masked(url)))
        });
        Ok(Sample {
            processes: processes.collect::<anyhow::Result<_>>()?,
            redis: redis.collect::<anyhow::Result<_>>()?,
            tester_cpu_us: testers
                .iter()
                .filter_map(|pid| read_proc(*pid, Kind::Node).ok())
                .map(|process| process.cpu_us)
                .sum(),
        })
    }
}

impl Source {
    fn read(&self, kind: Kind) -> anyhow::Result<Process> {
        match self {
            Self::Pid(pid) => read_proc(*pid, kind).with_context(|| {
                format!("process {pid} cannot be measured: is it running, on this machine?")
            }),
            Self::Metrics(url) => {
                read_metrics(url, kind).with_context(|| format!("--metrics {url} cannot be used"))
            }
        }
    }
}

fn read_proc(pid: u32, kind: Kind) -> anyhow::Result<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold anything; what follows the last bracket is numbers.
    let (name, rest) = stat.rsplit_once(')').ok_or(anyhow!("its stat is not readable"))?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number =
        |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second();
    Ok(Process {
        name: format!("{} {pid}", name.split_once('(').map_or("", |(_, name)| name)),
        kind,
        cpu_us: (number(11) + number(12)) * tick_us,
        memory: number(21) * rustix::param::page_size() as u64,
    })
}

fn read_metrics(url: &str, kind: Kind) -> anyhow::Result<Process> {
    let text = get(url)?;
    let value = |name: &str| {
        let line = text.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
        })?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let cpu = value("process_cpu_seconds_total")
        .ok_or(anyhow!("it does not show process_cpu_seconds_total; use --pid"))?;
    let memory = value("process_resident_memory_bytes").unwrap_or(0.0);
    Ok(Process { name: url.to_owned(), kind, cpu_us: whole(cpu * 1e6), memory: whole(memory) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a metric's value")]
fn whole(value: f64) -> u64 {
    value as u64
}

fn dial(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let address = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let address = address.to_socket_addrs()?.next().ok_or(anyhow!("{host} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn get(url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("http://").ok_or(anyhow!("only http:// is spoken"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    let mut stream = dial(host, 80)?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer)?;
    let head = super::http::head(&answer).ok().flatten().ok_or(anyhow!("it is not HTTP"))?;
    ensure!(head.status == 200, "it answers {}", head.status);
    let body = head.body(&answer).ok().flatten().map(|(body, _)| body.into_owned());
    let body = body.filter(|body| !body.is_empty()).unwrap_or_else(|| answer[head.end..].to_vec());
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The URL without its password.
fn masked(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_owned(),
    }
}

fn ask_redis(url: &str) -> anyhow::Result<Redis> {
    let rest = url.strip_prefix("redis://").ok_or(anyhow!("only redis:// is spoken"))?;
    let (login, host) = rest.rsplit_once('@').map_or((None, rest), |(l, host)| (Some(l), host));
    let host = host.split(['/', '?']).next().unwrap_or(host);
    let mut stream = dial(host, 6379)?;
    if let Some((user, password)) = login.map(|login| login.split_once(':').unwrap_or(("", login)))
    {
        let words: Vec<&str> =
            ["AUTH", user, password].into_iter().filter(|w| !w.is_empty()).collect();
        command(&mut stream, &words)?;
    }
    let info = command(&mut stream, &["INFO"])?;
    let number = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse::<u64>().ok())
    };
    Ok(Redis {
        commands: number("total_commands_processed").ok_or(anyhow!("it is no Redis"))?,
        bytes_in: number("total_net_input_bytes").unwrap_or(0),
        bytes_out: number("total_net_output_bytes").unwrap_or(0),
    })
}

/// Sends one command; gives back a simple or a bulk string.
fn command(stream: &mut TcpStream, words: &[&str]) -> anyhow::Result<String> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &["$", &word.len().to_string(), "\r\n", word, "\r\n"].concat();
    }
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 8_192];
    loop {
        let length = stream.read(&mut piece)?;
        ensure!(length > 0, "it closed the connection");
        answer.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&answer);
        let Some((first, rest)) = text.split_once("\r\n") else { continue };
        if let Some(error) = first.strip_prefix('-') {
            return Err(anyhow!("it refuses: {error}"));
        }
        match first.strip_prefix('$').and_then(|length| length.parse::<usize>().ok()) {
            None => return Ok(first.to_owned()),
            Some(length) if rest.len() >= length + 2 => return Ok(rest[..length].to_owned()),
            Some(_) => {}
        }
    }
}
