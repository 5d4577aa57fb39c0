//! The tests' language: real nodes, a real Redis, and users who speak the raw protocol.
//!
//! `let [here, there, yonder] = Cluster::start().await;`
//! `let ada = here.join("ada", "lobby").await;`
//! `ada.say("hello").await;`
mod cluster;
mod flood;
mod inbox;
mod meddler;
mod node;
mod sink;
mod throttle;
mod transport;
mod user;
mod words;

use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::{
    cluster::{Alone, Cluster, Stage},
    flood::{flood, flood_heard_by, some_of_the_flood, stalled},
    meddler::{Meddling, meddler},
    node::Node,
    sink::{Sink, Span},
    transport::Transport,
    user::{Arrival, User, new_mid},
    words::{MessageNew, Sent, messages, texts},
};
pub(crate) use crate::common::{
    Answer, Http, PATIENCE, Process, Redis, Settings, Stopwatch, beside, eventually,
    eventually_within, many_descriptors, patiently,
};

/// A turn for tests that need the machine for themselves: hold it while the load lasts.
pub(crate) async fn heavy() -> SemaphorePermit<'static> {
    static TURNS: Semaphore = Semaphore::const_new(1);
    TURNS.acquire().await.unwrap()
}
