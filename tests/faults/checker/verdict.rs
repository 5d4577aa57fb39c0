//! What the checker says: for each invariant whether it held, how much was looked at, and what breaks it.
use std::fmt;

use strum::IntoEnumIterator;

use super::{Invariant, Permissions};

/// Of so many things that break an invariant each is told; of the others only their number.
const TOLD: usize = 10;

/// One invariant, being judged.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    pub(crate) invariant: Invariant,
    /// How many things could have broken it.
    pub(crate) examined: u64,
    /// How many did.
    pub(crate) broken: u64,
    /// The first of them, with what proves it.
    pub(crate) told: Vec<String>,
    /// Why it need not be judged here.
    pub(crate) excused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ruling {
    Held,
    Broken,
    /// There was nothing to look at, and the scenario says why.
    Unjudged,
    /// There was nothing to look at, though there should have been.
    NothingSeen,
}

impl Judgement {
    pub(super) fn new(invariant: Invariant, permissions: &Permissions) -> Self {
        let excuse = permissions.unjudged.iter().find(|(excused, _)| *excused == invariant);
        Self {
            invariant,
            examined: 0,
            broken: 0,
            told: Vec::new(),
            excused: excuse.map(|(_, why)| why.clone()),
        }
    }

    pub(super) fn examine(&mut self, number: usize) {
        self.examined += number as u64;
    }

    pub(super) fn broken(&mut self, how: impl FnOnce() -> String) {
        self.broken += 1;
        if self.told.len() < TOLD {
            self.told.push(how());
        }
    }

    pub(crate) fn ruling(&self) -> Ruling {
        match self {
            // What is seen to be broken is broken, excused from being looked for or not.
            Self { broken: 1.., .. } => Ruling::Broken,
            Self { examined: 1.., .. } => Ruling::Held,
            Self { excused: Some(_), .. } => Ruling::Unjudged,
            _ => Ruling::NothingSeen,
        }
    }
}

/// All invariants of one run.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) judgements: Vec<Judgement>,
    /// Where the records do not fit together: a fault of the harness, or a second answer.
    pub(crate) oddities: Vec<String>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        let is_right = |each: &Judgement| matches!(each.ruling(), Ruling::Held | Ruling::Unjudged);
        self.oddities.is_empty() && self.judgements.iter().all(is_right)
    }

    pub(crate) fn broken(&self) -> Vec<Invariant> {
        let broken = self.judgements.iter().filter(|each| each.ruling() == Ruling::Broken);
        broken.map(|each| each.invariant).collect()
    }

    pub(crate) fn of(&self, invariant: Invariant) -> &Judgement {
        let found = self.judgements.iter().find(|each| each.invariant == invariant);
        found.expect("every invariant is judged")
    }

    pub(super) fn sorted(mut judgements: Vec<Judgement>, oddities: Vec<String>) -> Self {
        judgements.sort_by_key(|each| each.invariant);
        let judged: Vec<Invariant> = judgements.iter().map(|each| each.invariant).collect();
        assert_eq!(judged, Invariant::iter().collect::<Vec<_>>(), "each is judged once");
        Self { judgements, oddities }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for each in &self.judgements {
            let Judgement { invariant, examined, broken, told, excused } = each;
            match each.ruling() {
                Ruling::Held => writeln!(f, "{invariant:?} held, {examined} examined")?,
                Ruling::NothingSeen => writeln!(f, "{invariant:?} HAD NOTHING TO LOOK AT")?,
                Ruling::Unjudged => {
                    let why = excused.as_deref().unwrap_or_default();
                    writeln!(f, "{invariant:?} is not judged: {why}")?;
                }
                Ruling::Broken => {
                    writeln!(f, "{invariant:?} BROKEN {broken} times, {examined} examined:")?;
                    told.iter().try_for_each(|how| writeln!(f, "    {how}"))?;
                    if let more @ 1.. = broken - told.len() as u64 {
                        writeln!(f, "    … and {more} more")?;
                    }
                }
            }
        }
        if !self.oddities.is_empty() {
            writeln!(f, "THE RECORDS DO NOT FIT TOGETHER in {} places:", self.oddities.len())?;
            for odd in self.oddities.iter().take(TOLD) {
                writeln!(f, "    {odd}")?;
            }
        }
        Ok(())
    }
}
