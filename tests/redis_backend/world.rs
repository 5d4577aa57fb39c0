//! Nodes around a server, and the words the tests are written in.
use std::{sync::Arc, time::Duration};

use hubbub::{
    adapter::{Heard, Hearing, redis::RedisAdapter},
    clock,
    config::{presence::Presence, store::Store},
    domain::{
        id::RoomId,
        message::{Author, Message, Terms},
        presence::{Member, Person},
        room::Place,
    },
    lifecycle::Lifecycle,
    redis::Link,
    store::redis::RedisStore,
};
use secrecy::SecretString;

use crate::server::Server;

/// Longer than anything here takes, unless it never happens.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn store_config(server: &Server) -> Store {
    Store {
        url: SecretString::from(server.url()),
        tls_ca: String::new(),
        idempotency: Duration::from_mins(10),
        retention_messages: 1_000,
        retention_age: Duration::ZERO,
        command_timeout: Duration::from_secs(2),
        durability: hubbub::config::store::Demand::Auto,
    }
}

pub(crate) fn presence_config() -> Presence {
    Presence {
        lease: Duration::from_secs(10),
        renew: Duration::from_secs(3),
        reap: Duration::from_secs(2),
        grace: Duration::from_secs(5),
        assert: Duration::from_secs(30),
    }
}

/// One node's way to the store and to the others.
pub(crate) struct Node {
    pub(crate) id: hubbub::domain::id::NodeId,
    pub(crate) link: Arc<Link>,
    pub(crate) store: Arc<RedisStore>,
    pub(crate) adapter: Arc<RedisAdapter>,
    pub(crate) hearing: Hearing,
    pub(crate) lifecycle: Lifecycle,
}

impl Node {
    /// Does not wait for Redis.
    pub(crate) fn begin(store: &Store, presence: &Presence) -> Self {
        let lifecycle = Lifecycle::default();
        let link = Link::connect(&store.url, store, &lifecycle).unwrap();
        let (adapter, hearing) = RedisAdapter::open(Arc::clone(&link), &lifecycle).unwrap();
        let id = clock::new_node();
        let store = RedisStore::open(Arc::clone(&link), store, presence, id.clone(), &lifecycle);
        Self { id, link, store, adapter, hearing, lifecycle }
    }

    pub(crate) async fn with(store: &Store, presence: &Presence) -> Self {
        let node = Self::begin(store, presence);
        within(node.link.ready()).await;
        node
    }

    pub(crate) async fn on(server: &Server) -> Self {
        Self::with(&store_config(server), &presence_config()).await
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        within(self.hearing.recv()).await.expect("the adapter lives")
    }

    /// The number of the next entry heard.
    pub(crate) async fn hear_seq(&mut self) -> u64 {
        loop {
            if let Heard::Entry(entry) = self.hear().await {
                return entry.position.seq;
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.lifecycle.stop(hubbub::lifecycle::Ending::Interrupted);
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it happens soon")
}

/// Asks until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(mut is: impl FnMut() -> F) {
    within(async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

pub(crate) fn lobby() -> RoomId {
    room("lobby")
}

pub(crate) fn in_lobby() -> Place {
    Place::Room(lobby())
}

pub(crate) fn message(room: &RoomId, text: &str) -> Message {
    let person =
        Person { id: "ada".parse().unwrap(), name: Some("Ada".to_owned()), classic: false };
    Message {
        room: room.clone(),
        mid: clock::new_mid(),
        author: Author { person, connection: "c_1".parse().unwrap() },
        text: text.to_owned().try_into().unwrap(),
        terms: Terms::default(),
    }
}

pub(crate) fn member(connection: &str, user: &str) -> Member {
    Member {
        connection: connection.parse().unwrap(),
        user: user.parse().unwrap(),
        name: Some(user.to_uppercase()),
        classic: false,
    }
}
