//! A child process: what it says on stderr, the signals it is sent, how it ends, and its end with
//! the test.
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    Settings,
    wait::{eventually, many_descriptors},
};

pub(crate) struct Process {
    child: Mutex<Child>,
    said: Arc<Mutex<Vec<String>>>,
    name: String,
}

impl Process {
    /// The binary under test, with these arguments and nothing of the environment's settings.
    pub(crate) fn hubbub(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.env_clear().args(arguments);
        Self::start("hubbub", command)
    }

    /// The same, as a node with these settings.
    pub(crate) fn node(settings: &Settings) -> Self {
        Self::node_with(settings, &[])
    }

    /// The same, with these variables.
    pub(crate) fn node_with(settings: &Settings, variables: &[(String, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.env_clear().envs(settings.as_variables()).envs(variables.iter().cloned());
        command.args(settings.as_arguments());
        Self::start("hubbub", command)
    }

    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        // Many tests at once need more than a shell's usual 1024 together.
        many_descriptors();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let said = Arc::<Mutex<Vec<String>>>::default();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let heard = said.clone();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| heard.lock().push(line));
        });
        Self { child: Mutex::new(child), said, name: name.to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.lock().id()
    }

    /// Processor time it has used so far: what it costs, however busy the machine is.
    pub(crate) fn worked(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // utime and stime are the 14th and 15th of all, the 12th and 13th from here; in 10 ms.
        let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().clone()
    }

    /// Whatever it said, once it has said everything.
    pub(crate) async fn said_until_the_end(&self) -> Vec<String> {
        let look = || async { (Arc::strong_count(&self.said) == 1).then_some(()) };
        eventually("the end of its words", look).await;
        self.said()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Not waited for while it is a child of ours, so the pid is still its own.
        let mut child = self.child.lock();
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let look = || async { self.has_ended() };
        eventually(&format!("{} ends", self.name), look).await
    }

    pub(crate) fn has_ended(&self) -> Option<ExitStatus> {
        self.child.lock().try_wait().unwrap()
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let ended = child.try_wait();
        child.kill().ok();
        child.wait().ok();
        if thread::panicking() {
            let said = self.said.lock();
            let tail = &said[said.len().saturating_sub(60)..];
            eprintln!("--- {} (ended: {ended:?}) said:\n{}", self.name, tail.join("\n"));
        }
    }
}
