//! The tests' language: real nodes, a real Redis, and users who speak the raw protocol.
//!
//! `let [here, there, yonder] = Cluster::start().await;`
//! `let ada = here.join("ada", "lobby").await;`
//! `ada.say("hello").await;`
mod cluster;
mod inbox;
mod node;
mod stalled;
mod transport;
mod user;
mod words;

use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use crate::common::{
    Answer, Http, Process, Redis, Settings, beside, eventually, eventually_within,
    many_descriptors, patiently,
};

pub(crate) use self::{
    cluster::{Alone, Cluster, Stage},
    node::Node,
    stalled::Stalled,
    transport::Transport,
    user::{Arrival, User, new_mid},
    words::{MessageNew, Sent, messages, texts},
};

/// A turn for tests that need the machine for themselves: hold it while the load lasts.
pub(crate) async fn heavy() -> SemaphorePermit<'static> {
    static TURNS: Semaphore = Semaphore::const_new(1);
    TURNS.acquire().await.unwrap()
}
