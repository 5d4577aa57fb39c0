//! Who is behind a connection, as moderation sees them, and what holds against them now: read with
//! every message, so without a lock that anybody waits at.
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::RwLock;

use crate::domain::{
    address::Address,
    id::UserId,
    moderation::Subject,
    nickname::Skeleton,
    session::{Role, Vouched},
};

/// What stands for a time without an end.
const FOR_EVER: u64 = u64::MAX;

pub struct Standing {
    user: UserId,
    pub address: Option<Address>,
    who: RwLock<Who>,
    /// ms since 1970; 0: may speak.
    muted_until: AtomicU64,
    /// When what vouches for it ends, ms since 1970.
    expires_at: AtomicU64,
    /// It has been told that it will end.
    warned: AtomicBool,
}

struct Who {
    name: Option<Skeleton>,
    vouched: Vouched,
    known_as: Arc<[Subject]>,
}

impl Standing {
    pub fn new(
        user: UserId,
        address: Option<Address>,
        name: Option<Skeleton>,
        vouched: Vouched,
    ) -> Self {
        let expires_at = AtomicU64::new(vouched.expires_at.unwrap_or(FOR_EVER));
        let known_as = known_as(&user, address, name.clone(), &vouched);
        Self {
            user,
            address,
            who: RwLock::new(Who { name, vouched, known_as }),
            muted_until: AtomicU64::new(0),
            expires_at,
            warned: AtomicBool::new(false),
        }
    }

    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// As what it is known.
    pub fn known_as(&self) -> Arc<[Subject]> {
        self.who.read().known_as.clone()
    }

    /// What a room's measures may go by: nothing, for who moderates.
    pub fn held_by(&self) -> Arc<[Subject]> {
        let who = self.who.read();
        if who.vouched.role.moderates() { Arc::default() } else { who.known_as.clone() }
    }

    pub fn role(&self) -> Role {
        self.who.read().vouched.role
    }

    /// When what vouches for it was given, ms since 1970.
    pub fn issued_at(&self) -> u64 {
        self.who.read().vouched.issued_at
    }

    /// It goes by another name.
    pub fn rename(&self, name: Option<Skeleton>) {
        let mut who = self.who.write();
        who.known_as = known_as(&self.user, self.address, name.clone(), &who.vouched);
        who.name = name;
    }

    /// Something new vouches for it.
    pub fn vouch(&self, vouched: Vouched) {
        let mut who = self.who.write();
        self.expires_at.store(vouched.expires_at.unwrap_or(FOR_EVER), Ordering::Release);
        self.warned.store(false, Ordering::Release);
        who.known_as = known_as(&self.user, self.address, who.name.clone(), &vouched);
        who.vouched = vouched;
    }

    /// `None`: it may speak; else until when it may not, which may be over.
    pub fn muted_until(&self) -> Option<u64> {
        Some(self.muted_until.load(Ordering::Acquire)).filter(|until| *until != 0)
    }

    /// `None`: for ever.
    pub fn mute(&self, until: Option<u64>) {
        self.muted_until.store(until.unwrap_or(FOR_EVER), Ordering::Release);
    }

    pub fn unmute(&self) {
        self.muted_until.store(0, Ordering::Release);
    }

    /// When what vouches for it ends; `None`: never.
    pub fn expires_at(&self) -> Option<u64> {
        Some(self.expires_at.load(Ordering::Acquire)).filter(|at| *at != FOR_EVER)
    }

    /// Whether it has to be told that its time is ending; `true` once.
    pub fn is_to_be_warned(&self) -> bool {
        !self.warned.swap(true, Ordering::AcqRel)
    }
}

fn known_as(
    user: &UserId,
    address: Option<Address>,
    name: Option<Skeleton>,
    vouched: &Vouched,
) -> Arc<[Subject]> {
    let mut known_as = vec![Subject::User(user.clone())];
    known_as.extend(name.map(Subject::Name));
    known_as.extend(address.map(Subject::Address));
    known_as.extend(vouched.token.clone().map(Subject::Token));
    known_as.into()
}
