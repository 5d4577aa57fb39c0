//! A real node: always at the same addresses, however often it is killed and started again.
use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::Signal;

use super::{
    Path,
    vitals::{self, Lags},
};
use crate::{
    checker::{Phase, ProcessSample, Target, What},
    common::{Http, Process, Settings, eventually, eventually_within},
    ports::free_port,
    records::Name,
    run::Notes,
};

/// Longer than `drain.deadline`: what takes longer than that is the checker's business.
const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// A busy machine starts three nodes of an unoptimised build.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) name: Name,
    settings: Settings,
    public: SocketAddr,
    internal: SocketAddr,
    /// Its ways to the store: one, or one to each server of it.
    pub(crate) to_store: Vec<Path>,
    notes: Arc<Notes>,
    /// All there were; the last may run.
    processes: Mutex<Vec<Life>>,
    /// Variables of the next process.
    variables: Mutex<Vec<(String, String)>>,
}

#[derive(Clone)]
struct Life {
    process: Arc<Process>,
    is_noted: bool,
}

impl Node {
    pub(super) fn new(
        name: Name,
        settings: Settings,
        to_store: Vec<Path>,
        notes: &Arc<Notes>,
    ) -> Self {
        let [public, internal] =
            [free_port(), free_port()].map(|port| (Ipv4Addr::LOCALHOST, port).into());
        let settings = settings
            .with("server.node", name)
            .with("server.listen", public)
            .with("internal.listen", internal);
        let notes = notes.clone();
        let (processes, variables) = Default::default();
        Self { name, settings, public, internal, to_store, notes, processes, variables }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.public
    }

    /// Its way to the one Redis.
    pub(crate) fn redis(&self) -> &Path {
        &self.to_store[0]
    }

    pub(super) async fn start(&self) {
        let variables = self.variables.lock().clone();
        let process = Process::node_with(&self.settings, &variables);
        let process = Arc::new(process);
        self.processes.lock().push(Life { process: process.clone(), is_noted: false });
        eventually_within(STARTS_WITHIN, &format!("{} is ready", self.name), || async {
            if let Some(status) = process.has_ended() {
                panic!("{} ended while starting: {status:?}: {:?}", self.name, process.said());
            }
            (self.readyz().await == 200).then_some(())
        })
        .await;
    }

    /// The next process finds this in its environment.
    pub(crate) fn will_find(&self, name: &str, value: String) {
        self.variables.lock().push((name.to_owned(), value));
    }

    /// What it was told.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Another process at the same addresses.
    pub(crate) async fn start_again(&self) {
        self.start().await;
        self.notes.fault(Target::Node(self.name), What::Started);
    }

    pub(crate) async fn kill(&self) {
        self.signal(Signal::KILL, What::Killed);
        self.ended().await;
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP, What::Stopped);
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT, What::Continued);
    }

    /// SIGTERM; [`Node::ended`] waits for its end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM, What::Terminated);
    }

    fn signal(&self, signal: Signal, what: What) {
        // Before it is done, so that nothing it causes can seem to have come first.
        self.notes.fault(Target::Node(self.name), what);
        self.process().signal(signal);
    }

    /// Waits for its end, and writes it down.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let process = self.process();
        let look = || async { process.has_ended() };
        let status = eventually_within(ENDS_WITHIN, &format!("{} ends", self.name), look).await;
        self.note_exit(status);
        status
    }

    /// Whether it has logged this.
    pub(crate) fn said_of(&self, what: &str) -> bool {
        self.said().iter().any(|line| line.contains(what))
    }

    fn said(&self) -> Vec<String> {
        self.processes.lock().iter().flat_map(|life| life.process.said()).collect()
    }

    fn note_exit(&self, status: ExitStatus) {
        let mut processes = self.processes.lock();
        let last = processes.last_mut().expect("it was started");
        if !std::mem::replace(&mut last.is_noted, true) {
            self.notes.exit(self.name, status.code());
        }
    }

    pub(crate) fn process(&self) -> Arc<Process> {
        self.processes.lock().last().expect("it was started").process.clone()
    }

    pub(crate) async fn readyz(&self) -> u16 {
        self.probe("/readyz").await.map_or(0, |(status, _)| status)
    }

    /// Asks the internal address: status and body; none: nobody is there.
    pub(crate) async fn probe(&self, path: &str) -> Option<(u16, String)> {
        let asked = async {
            let answer = Http::connect(self.internal).await.ok()?.get(path).await.ok()?;
            Some((answer.status, answer.body))
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?
    }

    /// What a metric has counted in this life, summed over its labels that hold `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let (_, text) = eventually("the metrics", || self.probe("/metrics")).await;
        let of = |line: &str| {
            let (metric, value) = line.rsplit_once(' ')?;
            let is_it = metric.split('{').next() == Some(name) && metric.contains(label);
            is_it.then(|| value.parse::<f64>().ok())?
        };
        text.lines().filter_map(of).sum()
    }

    /// Writes down what it holds now, and how late its runtime was since an earlier look.
    pub(crate) async fn sample(&self, phase: Phase, since: Option<&Lags>) {
        let Some(text) = self.probe("/metrics").await.map(|(_, text)| text) else { return };
        let lag = since.and_then(|before| Lags::of(&text).since(before).p99());
        let tasks = vitals::tasks(&text);
        let sample = vitals::sample(&self.notes, self.name, self.process().id(), phase);
        if let Some(sample) = sample {
            let sample = ProcessSample { tasks, lag_p99: lag, ..sample };
            self.notes.with_facts(|facts| facts.samples.push(sample));
        }
    }

    /// How late its runtime has been so far.
    pub(crate) async fn lags(&self) -> Lags {
        let text = self.probe("/metrics").await.map(|(_, text)| text);
        Lags::of(&text.unwrap_or_default())
    }

    /// Descriptors it has open.
    pub(crate) fn descriptors(&self) -> u64 {
        let sample = vitals::sample(&self.notes, self.name, self.process().id(), Phase::During);
        sample.map_or(0, |sample| sample.fds)
    }

    /// Memory it has, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let sample = vitals::sample(&self.notes, self.name, self.process().id(), Phase::During);
        sample.map_or(0, |sample| sample.rss)
    }

    /// The time that processors have worked for it.
    pub(crate) fn worked(&self) -> Duration {
        vitals::worked(self.process().id())
    }

    /// The end of the run, which is no fault any more: SIGTERM, if it still runs. What was wrong
    /// with its end, if anything.
    pub(super) async fn end(&self) -> Option<String> {
        let process = self.process();
        let mut wrong = None;
        if let Some(status) = process.has_ended() {
            // Nobody may have waited for it.
            self.note_exit(status);
        } else {
            process.signal(Signal::CONT);
            process.signal(Signal::TERM);
            let status = self.ended().await;
            if status.code() != Some(0) {
                wrong = Some(format!("{} ended with {status:?} when all was over", self.name));
            }
        }
        let processes = self.processes.lock().clone();
        let mut said = Vec::new();
        for life in processes {
            said.extend(life.process.said_until_the_end().await);
        }
        self.notes.keep_log(self.name, &said);
        wrong
    }
}

impl Drop for Node {
    /// A run that was broken off keeps what there is.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.notes.keep_log(self.name, &self.said());
        }
    }
}
