//! The checker, checked: it passes what is sound, and catches every fault that is planted, by its right name.
mod kept;
mod numbers;
mod planted;
mod sound;
mod world;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = sound::trials();
    trials.extend(planted::trials());
    trials.extend([kept::trials(), numbers::trials()].into_iter().flatten());
    trials
}
