//! A proxy whose faults are written down.
use std::{ops::Deref, sync::Arc};

use crate::{
    checker::{Target, What},
    proxy::{Plan, Proxy, Verb},
    run::Notes,
};

pub(crate) struct Path {
    proxy: Proxy,
    target: Target,
    notes: Arc<Notes>,
}

impl Path {
    pub(crate) fn open(plan: Plan, target: Target, notes: &Arc<Notes>) -> Self {
        Self { proxy: plan.open(), target, notes: notes.clone() }
    }

    /// From now on it does this.
    pub(crate) fn fails(&self, verb: Verb) {
        self.notes.fault(self.target, What::Broken);
        self.set(verb);
    }

    pub(crate) fn heals(&self) {
        self.proxy.heal();
        self.notes.fault(self.target, What::Healed);
    }

    /// Every connection that is open now is reset.
    pub(crate) fn is_cut(&self) {
        self.notes.fault(self.target, What::Broken);
        self.cut();
        self.notes.fault(self.target, What::Healed);
    }
}

impl Deref for Path {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}
