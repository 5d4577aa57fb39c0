//! Who asks: one connection and whom it speaks for.
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{
    config::limits::Limits,
    domain::{
        id::UserId,
        message::{Author, Terms},
        nickname::Nickname,
        presence::{Member, Person},
        session::{Identity, Vouched},
    },
    policy::rate_limit::Buckets,
    rooms::{Connection, Standing},
};

pub struct Caller {
    pub connection: Arc<Connection>,
    pub buckets: Buckets,
    /// Then it cannot choose another name.
    pub is_named_by_token: bool,
    identity: RwLock<Identity>,
}

impl Caller {
    pub fn new(connection: Arc<Connection>, identity: Identity, limits: &Limits) -> Self {
        let (buckets, identity) = (Buckets::new(limits), RwLock::new(identity));
        Self { connection, buckets, is_named_by_token: false, identity }
    }

    /// The same, if what vouches for it says what it is called.
    #[must_use]
    pub fn named_by_token(self, is_named_by_token: bool) -> Self {
        Self { is_named_by_token, ..self }
    }

    pub fn identity(&self) -> Identity {
        self.identity.read().clone()
    }

    pub fn user(&self) -> &UserId {
        &self.connection.user
    }

    pub fn rename(&self, name: Nickname) {
        self.connection.standing.rename(Some(name.skeleton()));
        self.identity.write().name = name;
    }

    /// Goes on under something new that vouches for it.
    pub fn vouch(&self, vouched: Vouched) {
        self.identity.write().role = vouched.role;
        self.connection.standing.vouch(vouched);
    }

    /// What it would be under something new.
    pub fn standing_under(&self, vouched: Vouched) -> Standing {
        let name = self.identity.read().name.skeleton();
        let address = self.connection.standing.address;
        Standing::new(self.user().clone(), address, Some(name), vouched)
    }

    /// On what terms its messages are taken.
    pub fn terms(&self) -> Terms {
        self.buckets.terms(self.connection.standing.held_by())
    }

    pub fn person(&self) -> Person {
        let name = Some(self.identity.read().name.to_string());
        Person { id: self.user().clone(), name, classic: false }
    }

    pub fn member(&self) -> Member {
        let Person { id: user, name, classic } = self.person();
        Member { connection: self.connection.id.clone(), user, name, classic }
    }

    pub fn author(&self) -> Author {
        Author { person: self.person(), connection: self.connection.id.clone() }
    }
}
