//! Who asks: one connection and whom it speaks for.
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{
    config::limits::Limits,
    domain::{
        id::UserId,
        message::Author,
        nickname::Nickname,
        presence::{Member, Person},
        session::Identity,
    },
    policy::rate_limit::Buckets,
    rooms::Connection,
};

pub struct Caller {
    pub connection: Arc<Connection>,
    pub buckets: Buckets,
    identity: RwLock<Identity>,
}

impl Caller {
    pub fn new(connection: Arc<Connection>, identity: Identity, limits: &Limits) -> Self {
        Self { connection, buckets: Buckets::new(limits), identity: RwLock::new(identity) }
    }

    pub fn identity(&self) -> Identity {
        self.identity.read().clone()
    }

    pub fn user(&self) -> &UserId {
        &self.connection.user
    }

    pub fn rename(&self, name: Nickname) {
        self.identity.write().name = name;
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
