//! The adapter over Redis: sharded pub/sub, a channel for everyone and one per room that this
//! node hosts. What it hears is a hint; what it may have missed, it says.
mod hearing;
mod topics;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::interfaces::EventInterface;
use tokio::sync::mpsc;

use self::topics::{Topics, channel};
use super::{Adapter, Hearing, Listening, Told, Topic, envelope, topic_of};
use crate::{
    error::{Error, Outcome, Result},
    lifecycle::Lifecycle,
    redis::Link,
};

/// For how long a topic that nobody listens to is kept open.
const LINGER: Duration = Duration::from_secs(30);
/// What was heard and not yet taken; at more the feed waits, and lags, and says so.
const LONGEST_HEARING: usize = 1_024;

/// What is told goes out on the link's command connection, what is heard comes in on the other.
pub struct RedisAdapter {
    link: Arc<Link>,
    topics: Arc<Topics>,
}

impl RedisAdapter {
    /// Returns at once; the global topic is subscribed to as soon as Redis is there.
    pub fn open(link: Arc<Link>, lifecycle: &Lifecycle) -> anyhow::Result<(Arc<Self>, Hearing)> {
        Ok(Self::open_lingering(link, lifecycle, LINGER))
    }

    /// The same, with another time to linger.
    pub fn open_lingering(
        link: Arc<Link>,
        lifecycle: &Lifecycle,
        linger: Duration,
    ) -> (Arc<Self>, Hearing) {
        let topics = Arc::new(Topics::new(Arc::clone(&link)));
        topics.want(&Topic::Global);
        let (send, hearing) = mpsc::channel(LONGEST_HEARING);
        let subscriber = link.subscriber();
        // The receivers are made here, before anything can arrive.
        lifecycle.spawn_until_stop(hearing::hear(subscriber.message_rx(), send.clone()));
        lifecycle.spawn_until_stop(hearing::keep_subscribed(
            Arc::clone(&topics),
            subscriber.reconnect_rx(),
            subscriber.error_rx(),
            send,
        ));
        lifecycle.spawn_until_stop(hearing::close_unwanted(Arc::clone(&topics), linger));
        (Arc::new(Self { link, topics }), hearing)
    }
}

#[async_trait]
impl Adapter for RedisAdapter {
    async fn tell(&self, what: Vec<Told>) -> Result<()> {
        if what.is_empty() {
            return Ok(());
        }
        let args = vec![channel(&topic_of(&what)), envelope::told(&what)];
        self.link.command::<u64>("SPUBLISH", args).await.map(drop)
    }

    async fn relisten(&self, topic: &Topic) -> Result<()> {
        self.topics.doubt(topic);
        self.topics.confirm(topic).await
    }

    /// When it fails the topic lingers all the same, and is subscribed to when Redis is back.
    async fn listen(&self, topic: Topic) -> Result<Listening> {
        self.topics.want(&topic);
        let (topics, released) = (Arc::clone(&self.topics), topic.clone());
        let guard = Listening::new(move || topics.release(&released));
        if !self.link.is_up() {
            self.topics.owe();
            return Err(Error::unavailable(Outcome::None));
        }
        self.topics.confirm(&topic).await?;
        Ok(guard)
    }
}
