//! The options of `hubbub load`, and how they make a plan.
use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use clap::Args;

use super::{
    clock,
    expect::Expectation,
    plan::{Pace, Plan, Target},
    preset::{Preset, WITH_TOKEN},
};

#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct LoadArgs {
    /// Servers, or a balancer in front of them; connections are spread over all.
    #[arg(value_name = "URL", required = true)]
    pub(super) urls: Vec<String>,

    /// The words of the server.
    #[arg(long, value_enum, default_value_t = Preset::Hubbub)]
    pub(super) preset: Preset,
    /// Connections in all.
    #[arg(long, short, default_value_t = 100)]
    pub(super) connections: u32,
    /// Rooms; each connection is in one. 0: nobody joins or sends. The classic preset has one.
    #[arg(long)]
    pub(super) rooms: Option<u32>,
    /// Members of each room, instead of --connections.
    #[arg(long, conflicts_with = "connections")]
    pub(super) members: Option<u32>,
    /// Puts all members of a room at the same URL, instead of spreading them over all.
    #[arg(long)]
    pub(super) together: bool,
    /// Messages a second in all, due whether earlier ones are answered or not.
    #[arg(long, short, default_value_t = 100.0)]
    pub(super) rate: f64,
    /// Instead of --rate: so many messages on their way at any time.
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    pub(super) closed: Option<u32>,
    /// Bytes of each message's text.
    #[arg(long, default_value_t = 100)]
    pub(super) bytes: usize,
    /// Connects a second in all.
    #[arg(long, default_value_t = 200.0)]
    pub(super) ramp: f64,
    /// How long is measured.
    #[arg(long, short, default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// How long messages are sent before that.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    pub(super) warmup: Duration,
    /// How long acks and deliveries may still take at the end; then they are lost.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) drain: Duration,
    /// How long a connection may take until it is in its room.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) connect_timeout: Duration,
    /// How long a server that is not there yet is waited for.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(super) wait: Duration,
    /// Share of the connections that poll over HTTP, 0 to 1; the others use WebSocket.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(super) polling: f64,
    /// Share of the connections that leave and come back, a second.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(super) churn: f64,
    /// How long those stay away.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(super) away: Duration,
    /// Share of the connections that read slowly.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub(super) slow: f64,
    /// How many bytes a second those read.
    #[arg(long, default_value_t = 4_096)]
    pub(super) slow_rate: u64,
    /// Worker processes, when one runs out of ports, descriptors or time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) processes: u32,
    /// The same choices for the same seed.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// Process ids of the server's nodes, on this machine: 12,34.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(super) pid: Vec<u32>,
    /// Process ids of the stores behind them, told apart from the nodes.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(super) store_pid: Vec<u32>,
    /// Where the server's nodes show their metrics.
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Vec<String>,
    /// A Redis behind the server, asked for its INFO.
    #[arg(long, value_name = "URL")]
    pub(super) redis: Vec<String>,

    /// Also writes the results as JSON; - is the standard output, without the table.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Also writes a page to look at.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// What must hold: p99<50ms, lost=0. Exit code 1 if one does not.
    #[arg(long, value_name = "CONDITION")]
    pub(super) expect: Vec<Expectation>,

    #[command(flatten)]
    pub(super) words: Words,
}

/// What differs from the preset.
#[derive(Debug, Clone, PartialEq, Default, Args)]
#[command(next_help_heading = "Words of the server, over those of the preset. Payloads may hold \
                               {room} {n} {mid} {ts} {pad} {name} {session} {since} {token}")]
pub(super) struct Words {
    #[arg(long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// The payload of CONNECT.
    #[arg(long, value_name = "JSON")]
    pub(super) auth: Option<String>,
    /// A file with a token on each line; {token} is the connection's, by turns. Hubbub's preset
    /// brings it by itself.
    #[arg(long, value_name = "FILE")]
    pub(super) tokens: Option<PathBuf>,
    /// The same for one that comes back.
    #[arg(long, value_name = "JSON")]
    pub(super) auth_again: Option<String>,
    /// The event that enters a room; its ack is waited for.
    #[arg(long, value_name = "NAME")]
    pub(super) join_event: Option<String>,
    #[arg(long, value_name = "JSON")]
    pub(super) join: Option<String>,
    #[arg(long, value_name = "JSON")]
    pub(super) join_again: Option<String>,
    /// The event that reads on where a join's answer stopped, and its arguments.
    #[arg(long, value_name = "NAME")]
    pub(super) page_event: Option<String>,
    #[arg(long, value_name = "JSON")]
    pub(super) page: Option<String>,
    /// The event that brings, as `session`, what one comes back with.
    #[arg(long, value_name = "NAME")]
    pub(super) session_event: Option<String>,
    /// The event that says something.
    #[arg(long, value_name = "NAME")]
    pub(super) send_event: Option<String>,
    /// Its arguments; the mark {mid} must be in them, and in what members hear.
    #[arg(long, value_name = "JSON")]
    pub(super) send: Option<String>,
    /// The event by which members hear of it.
    #[arg(long, value_name = "NAME")]
    pub(super) deliver_event: Option<String>,
    /// Whether messages are acknowledged.
    #[arg(long)]
    pub(super) acks: Option<bool>,
    /// An ack with this in it is a refusal.
    #[arg(long, value_name = "TEXT")]
    pub(super) refusal: Option<String>,
    /// The field with the server's own number of a message, which may not go back.
    #[arg(long, value_name = "NAME")]
    pub(super) position: Option<String>,
    /// Whether one that comes back gets what it missed.
    #[arg(long)]
    pub(super) resumes: Option<bool>,
    /// The rooms' names; {run} and {n} tell them apart.
    #[arg(long, value_name = "NAME", default_value = "load-{run}-{n}")]
    pub(super) room_name: String,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share @ 0.0..=1.0) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

impl LoadArgs {
    /// Why it cannot be done, in words that say what to change.
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let mut dialect = self.preset.dialect();
        self.words.over(&mut dialect);
        let tokens = self.words.tokens()?;
        if self.preset == Preset::Hubbub && self.words.auth.is_none() && !tokens.is_empty() {
            WITH_TOKEN.clone_into(&mut dialect.auth);
        }
        let rooms = self.rooms.unwrap_or(1);
        anyhow::ensure!(
            rooms <= 1 || !dialect.join_event.is_empty(),
            "nobody joins a room here, so all are in one: leave --rooms out, or name a --join-event"
        );
        let connections = match self.members {
            Some(members) => members.saturating_mul(rooms.max(1)),
            None => self.connections,
        };
        let targets = self.urls.iter().map(|url| target(url)).collect::<anyhow::Result<_>>()?;
        let plan = Plan {
            targets,
            dialect,
            tokens,
            connections,
            rooms,
            room_name: self.words.room_name.clone(),
            together: self.together,
            ramp: self.ramp,
            pace: self.closed.map_or(Pace::Open(self.rate), Pace::Closed),
            bytes: self.bytes,
            polling: self.polling,
            slow: self.slow,
            slow_rate: self.slow_rate,
            churn: self.churn,
            away_us: us(self.away),
            warmup_us: us(self.warmup),
            duration_us: us(self.duration),
            drain_us: us(self.drain),
            connect_us: us(self.connect_timeout),
            wait_us: us(self.wait),
            seed: self.seed,
            run: crate::clock::random_text()[..6].to_owned(),
            zero_us: clock::now_us(),
            processes: self.processes,
        };
        refuse_nonsense(&plan)?;
        Ok(plan)
    }
}

impl Words {
    fn tokens(&self) -> anyhow::Result<Vec<String>> {
        let Some(file) = &self.tokens else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("--tokens {} cannot be read", file.display()))?;
        let tokens: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        anyhow::ensure!(!tokens.is_empty(), "--tokens {}: no token is in it", file.display());
        Ok(tokens)
    }

    fn over(&self, dialect: &mut super::plan::Dialect) {
        let texts = [
            (&self.namespace, &mut dialect.namespace),
            (&self.auth, &mut dialect.auth),
            (&self.auth_again, &mut dialect.auth_again),
            (&self.join_event, &mut dialect.join_event),
            (&self.join, &mut dialect.join),
            (&self.join_again, &mut dialect.join_again),
            (&self.page_event, &mut dialect.page_event),
            (&self.page, &mut dialect.page),
            (&self.session_event, &mut dialect.session_event),
            (&self.send_event, &mut dialect.send_event),
            (&self.send, &mut dialect.send),
            (&self.deliver_event, &mut dialect.deliver_event),
            (&self.refusal, &mut dialect.refusal),
            (&self.position, &mut dialect.position),
        ];
        for (given, text) in texts {
            if let Some(given) = given {
                text.clone_from(given);
            }
        }
        dialect.acks = self.acks.unwrap_or(dialect.acks);
        dialect.resumes = self.resumes.unwrap_or(dialect.resumes);
    }
}

fn refuse_nonsense(plan: &Plan) -> anyhow::Result<()> {
    anyhow::ensure!(plan.connections > 0, "--connections must be at least 1");
    anyhow::ensure!(plan.rooms <= 65_535, "--rooms can be 65535 at most");
    anyhow::ensure!(
        plan.rooms <= plan.connections,
        "{} rooms need at least as many connections, and there are {}",
        plan.rooms,
        plan.connections
    );
    let wants_token =
        [&plan.dialect.auth, &plan.dialect.auth_again].iter().any(|a| a.contains("{token}"));
    anyhow::ensure!(
        !wants_token || !plan.tokens.is_empty(),
        "a payload holds {{token}}: say --tokens FILE, with a token on each line"
    );
    anyhow::ensure!(plan.ramp > 0.0, "--ramp must be above 0");
    anyhow::ensure!(
        !matches!(plan.pace, Pace::Open(rate) if rate <= 0.0),
        "--rate must be above 0; to send nothing, say --rooms 0"
    );
    anyhow::ensure!(plan.duration_us > 0, "--duration must be above 0");
    anyhow::ensure!(
        plan.dialect.send.contains("{mid}"),
        "what is sent must hold the mark {{mid}}, by which deliveries are recognised"
    );
    anyhow::ensure!(
        !plan.dialect.acks || !matches!(plan.pace, Pace::Closed(0)),
        "--closed must be at least 1"
    );
    Ok(())
}

fn target(url: &str) -> anyhow::Result<Target> {
    let rest = match url.split_once("://") {
        Some(("http" | "ws", rest)) => rest,
        Some((other, _)) => anyhow::bail!(
            "{url}: only http:// is spoken, not {other}://; put the tester behind the TLS"
        ),
        None => url,
    };
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    anyhow::ensure!(!host.is_empty(), "{url}: a host is missing");
    let path = match path.trim_end_matches('/') {
        "" => "/socket.io/".to_owned(),
        path => format!("/{path}/"),
    };
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let asked = if has_port { host.to_owned() } else { format!("{host}:80") };
    let addresses: Vec<SocketAddr> = asked
        .to_socket_addrs()
        .map_err(|error| anyhow::anyhow!("{url}: {host} is not known: {error}"))?
        .collect();
    anyhow::ensure!(!addresses.is_empty(), "{url}: {host} has no address");
    Ok(Target { addresses, host: host.to_owned(), path })
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_in_every_spelling_and_others_are_refused_with_the_reason() {
        for (url, host, path) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "/socket.io/"),
            ("127.0.0.1:3000/", "127.0.0.1:3000", "/socket.io/"),
            ("ws://127.0.0.1/chat/io", "127.0.0.1", "/chat/io/"),
            ("http://[::1]:3000/", "[::1]:3000", "/socket.io/"),
        ] {
            let target = target(url).unwrap();
            assert_eq!((target.host.as_str(), target.path.as_str()), (host, path), "{url}");
            assert!(!target.addresses.is_empty());
        }
        for (url, says) in
            [("https://a.example", "only http://"), ("http:///x", "a host is missing")]
        {
            let said = target(url).unwrap_err().to_string();
            assert!(said.contains(says), "{url}: {said}");
        }
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!((share("0"), share("0.25"), share("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        assert!(["1.5", "-1", "x", "NaN"].iter().all(|text| share(text).is_err()));
    }
}
