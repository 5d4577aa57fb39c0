//! When what was out of order: the faults of a run as stretches of time.
use super::{Fault, Target, What};
use crate::records::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Killed or ended, until it is started again.
    Down,
    Stopped,
    Broken,
}

/// A stretch of time in which a target was disturbed; `to` is `Micros::MAX` if it never ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) target: Target,
    pub(super) how: How,
    pub(super) from: Micros,
    pub(super) to: Micros,
}

impl Window {
    /// Whether it has anything of the time from `from` to `to`.
    pub(super) fn touches(&self, from: Micros, to: Micros) -> bool {
        self.from <= to && from <= self.to
    }
}

pub(super) fn windows(faults: &[Fault]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for fault in faults {
        let (how, begins) = match fault.what {
            What::Killed | What::Terminated => (How::Down, true),
            What::Started => (How::Down, false),
            What::Stopped => (How::Stopped, true),
            What::Continued => (How::Stopped, false),
            What::Broken => (How::Broken, true),
            What::Healed => (How::Broken, false),
        };
        let open = windows.iter_mut().find(|window| {
            window.target == fault.target && window.how == how && window.to == Micros::MAX
        });
        match (open, begins) {
            (None, true) => {
                let (target, from) = (fault.target, fault.at);
                windows.push(Window { target, how, from, to: Micros::MAX });
            }
            (Some(window), false) => window.to = fault.at,
            // Disturbed in another way while disturbed already, or healed twice.
            _ => {}
        }
        // A process that is killed while stopped is not stopped any more.
        if fault.what == What::Killed {
            let stopped = windows.iter_mut().filter(|window| {
                window.target == fault.target
                    && window.how == How::Stopped
                    && window.to == Micros::MAX
            });
            stopped.for_each(|window| window.to = fault.at);
        }
    }
    windows
}
