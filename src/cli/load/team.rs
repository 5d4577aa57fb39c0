//! The workers of a run: a thread if there is one, processes if there are several.
use std::{
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use mio::Waker;

use super::{
    plan::Plan,
    worker::{Order, Report, Worker},
};

/// What says to the binary that it is a worker of another one.
pub(super) const WORKER: &str = "load-worker";

pub(super) struct Team {
    members: Vec<Member>,
    reports: mpsc::Receiver<Said>,
}

/// Something a worker said; why it ended, if it is its last word.
pub(super) enum Said {
    Report(Report),
    Failed(String),
}

enum Member {
    Thread { orders: mpsc::Sender<Order>, waker: Waker, thread: Option<JoinHandle<()>> },
    Process { child: Child, orders: Option<ChildStdin>, reader: Option<JoinHandle<()>> },
}

impl Team {
    pub(super) fn start(plan: &Arc<Plan>) -> anyhow::Result<Self> {
        let (said, reports) = mpsc::channel();
        let members = if plan.processes == 1 {
            vec![thread(plan, said)?]
        } else {
            (0..plan.processes)
                .map(|process| self::process(plan, process, said.clone()))
                .collect::<anyhow::Result<_>>()?
        };
        Ok(Self { members, reports })
    }

    pub(super) fn tell(&mut self, order: &Order) -> anyhow::Result<()> {
        for member in &mut self.members {
            match member {
                Member::Thread { orders, waker, .. } => {
                    orders.send(order.clone()).context("the worker has ended")?;
                    waker.wake()?;
                }
                Member::Process { orders: Some(stdin), .. } => {
                    serde_json::to_writer(&mut *stdin, order).context("a worker has ended")?;
                    stdin.write_all(b"\n").context("a worker has ended")?;
                    stdin.flush()?;
                }
                Member::Process { .. } => {}
            }
        }
        Ok(())
    }

    /// The processes that do the work.
    pub(super) fn pids(&self) -> Vec<u32> {
        let pids = self.members.iter().map(|member| match member {
            Member::Thread { .. } => std::process::id(),
            Member::Process { child, .. } => child.id(),
        });
        pids.collect()
    }

    /// What is said next, if anything is within this time.
    pub(super) fn hear(&self, within: Duration) -> Option<Said> {
        self.reports.recv_timeout(within).ok()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for member in &mut self.members {
            match member {
                // A thread ends when nobody can give it orders any more.
                Member::Thread { orders, waker, thread } => {
                    *orders = mpsc::channel().0;
                    let _ = waker.wake();
                    let _ = thread.take().map(JoinHandle::join);
                }
                Member::Process { child, orders, reader } => {
                    // A worker whose standard input ends, ends.
                    drop(orders.take());
                    let _ = child.wait();
                    let _ = reader.take().map(JoinHandle::join);
                }
            }
        }
    }
}

fn thread(plan: &Arc<Plan>, said: mpsc::Sender<Said>) -> anyhow::Result<Member> {
    let (orders, inbox) = mpsc::channel();
    let report = {
        let said = said.clone();
        Box::new(move |report| {
            said.send(Said::Report(report)).map_err(|_| io::ErrorKind::BrokenPipe.into())
        })
    };
    let (worker, waker) = Worker::new(plan, 0, inbox, report)?;
    let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        if let Err(error) = worker.run() {
            let _ = said.send(Said::Failed(error.to_string()));
        }
    })?;
    Ok(Member::Thread { orders, waker, thread: Some(thread) })
}

fn process(plan: &Plan, process: u32, said: mpsc::Sender<Said>) -> anyhow::Result<Member> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([WORKER, &process.to_string()])
        // Ctrl-C is for the run, which tells its workers.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("a worker process cannot be started")?;
    let mut stdin = child.stdin.take().context("a worker has no standard input")?;
    let stdout = child.stdout.take().context("a worker has no standard output")?;
    serde_json::to_writer(&mut stdin, plan)?;
    stdin.write_all(b"\n")?;
    let reader =
        std::thread::Builder::new().name(format!("worker {process}")).spawn(move || {
            for line in io::BufReader::new(stdout).lines() {
                let report = line.map_err(|error| error.to_string()).and_then(|line| {
                    serde_json::from_str(&line).map_err(|error| format!("unreadable: {error}"))
                });
                let last = report.is_err() || matches!(report, Ok(Report::Done(_)));
                let _ = said.send(report.map_or_else(Said::Failed, Said::Report));
                if last {
                    return;
                }
            }
            let _ = said.send(Said::Failed(format!("worker process {process} has ended")));
        })?;
    Ok(Member::Process { child, orders: Some(stdin), reader: Some(reader) })
}

/// The other end: a worker process, told by its standard input, telling by its standard output.
pub(super) fn work(process: u32) -> anyhow::Result<()> {
    let mut lines = io::BufReader::new(io::stdin()).lines();
    let first = lines.next().context("a worker is told what to do")??;
    let plan: Plan = serde_json::from_str(&first).context("a worker is told what to do")?;
    let (orders, inbox) = mpsc::channel();
    let report = Box::new(|report: Report| {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &report)?;
        out.write_all(b"\n")?;
        out.flush()
    });
    let (worker, waker) = Worker::new(&Arc::new(plan), process, inbox, report)?;
    // It ends with the process: what it waits for is the standard input's end.
    let _listener = std::thread::Builder::new().name("orders".to_owned()).spawn(move || {
        for order in lines.map_while(Result::ok) {
            let Ok(order) = serde_json::from_str(&order) else { break };
            if orders.send(order).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(orders);
        let _ = waker.wake();
    })?;
    Ok(worker.run()?)
}
