//! The one room all tutorials speak in: its news in each dialect's words, and the two lists that
//! pages are shown whole (the last posts, the users).
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use super::{Page, adduser, chat_message, msg_get};
use crate::{
    domain::{
        id::{ConnectionId, RoomId},
        presence::Member,
        room::Place,
        view::View,
    },
    error::Result,
    lifecycle::Lifecycle,
    rooms::{Connection, Frame, News},
    state::AppState,
    store::log::Range,
};

/// The last posts are shown at most this often; the latest wins.
const POSTS_EVERY: Duration = Duration::from_millis(250);
/// The list of users is shown at most this often, or a thousand who come back at once would each
/// show it to a thousand.
const USERS_EVERY: Duration = Duration::from_millis(100);
/// How many users are listed.
const MOST_LISTED: usize = 1_000;
/// How long a page that took a name waits to see itself in the list. The change that triggers it
/// is told at most once, so after this the list is read all the same.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

pub(in crate::gateway) struct Lobby {
    pub(in crate::gateway) room: RoomId,
    posted: Notify,
    changed: Notify,
    /// Whom the last list that was shown had in it.
    listed: watch::Sender<Arc<HashSet<ConnectionId>>>,
}

impl Lobby {
    pub(in crate::gateway) fn new(room: RoomId) -> Arc<Self> {
        let listed = watch::Sender::new(Arc::default());
        Arc::new(Self { room, posted: Notify::new(), changed: Notify::new(), listed })
    }

    /// Starts what shows the lists, until the soft stop.
    pub(in crate::gateway) fn keep(self: &Arc<Self>, app: &AppState, lifecycle: &Lifecycle) {
        lifecycle.spawn_until_stop(self.clone().keep_posts(app.clone()));
        lifecycle.spawn_until_stop(self.clone().keep_users(app.clone()));
    }

    /// What concerns a list is shown by the task that keeps it.
    pub(in crate::gateway) fn told(&self, news: &News<'_>) {
        match news {
            News::Entry(_) | News::Reset { .. } => self.posted.notify_one(),
            News::Presence(diff) if diff.classic => self.changed.notify_one(),
            News::Presence(_) | News::Head { .. } | News::Typing { .. } => {}
        }
    }

    /// Shows a page that has just come the last posts.
    pub(super) async fn show_posts(&self, app: &AppState, page: &Connection) {
        match self.posts(app).await {
            Ok(frame) if page.view().meets(View::MSG_GET) => {
                page.push(&frame);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a page is shown the posts later"),
        }
    }

    /// Puts a page into the list of users, and returns when everyone here has been shown it.
    pub(super) async fn seat(&self, app: &AppState, page: &Page, member: &Member) -> Result<()> {
        let mut listed = self.listed.subscribe();
        let online = Member { connection: page.connection.id.clone(), ..member.clone() };
        app.presence.enter(&Place::online(&member.user), &online).await?;
        app.presence.enter(&Place::Room(self.room.clone()), member).await?;
        let mut seen = async || {
            let seen = listed.wait_for(|listed| listed.contains(&member.connection));
            tokio::time::timeout(SEEN_WITHIN, seen).await.is_ok()
        };
        if !seen().await {
            self.changed.notify_one();
            seen().await;
        }
        Ok(())
    }

    pub(super) async fn unseat(&self, app: &AppState, page: &Page, seat: &ConnectionId) {
        app.presence.leave(&Place::Room(self.room.clone()), seat, false).await;
        app.presence.leave_all(&page.connection.id).await;
    }

    async fn posts(&self, app: &AppState) -> Result<Frame> {
        let page = app.log.page(&self.room, Range::Newest, msg_get::SHOWN).await?;
        Ok(msg_get::frame(&page.entries))
    }

    async fn keep_posts(self: Arc<Self>, app: AppState) {
        loop {
            self.posted.notified().await;
            let began = Instant::now();
            if speakers(&app, View::MSG_GET).next().is_some() {
                match self.posts(&app).await {
                    Ok(frame) => show(&app, View::MSG_GET, &[frame]),
                    Err(error) => {
                        tracing::debug!(%error, "the posts are shown later");
                        self.posted.notify_one();
                    }
                }
            }
            tokio::time::sleep(POSTS_EVERY.saturating_sub(began.elapsed())).await;
        }
    }

    async fn keep_users(self: Arc<Self>, app: AppState) {
        loop {
            self.changed.notified().await;
            let began = Instant::now();
            let place = Place::Room(self.room.clone());
            match app.presence.classic(&place, MOST_LISTED).await {
                Ok(users) => self.show_users(&app, &users),
                Err(error) => {
                    tracing::debug!(%error, "the users are shown later");
                    tokio::time::sleep(SEEN_WITHIN).await;
                    self.changed.notify_one();
                }
            }
            tokio::time::sleep(USERS_EVERY.saturating_sub(began.elapsed())).await;
        }
    }

    /// The tutorial's server says `user` when somebody leaves, although its page listens to `users`
    /// only: both are said, so that its wire is kept and its page is right.
    fn show_users(&self, app: &AppState, users: &[(ConnectionId, String)]) {
        let now: HashSet<ConnectionId> = users.iter().map(|(id, _)| id.clone()).collect();
        let somebody_left = !self.listed.borrow().is_subset(&now);
        let mut frames = vec![adduser::users("users", users)];
        if somebody_left {
            frames.insert(0, adduser::users("user", users));
        }
        show(app, View::ADDUSER, &frames);
        self.listed.send_replace(Arc::new(now));
    }
}

/// One piece of news in a page's words; a page that has not shown its dialect hears all.
pub(in crate::gateway) fn frames(news: &News<'_>, view: View) -> Vec<Frame> {
    let News::Entry(entry) = news else { return Vec::new() };
    let mut frames = Vec::new();
    if view.meets(View::CHAT_MESSAGE) {
        frames.push(chat_message::frame(entry));
    }
    if view.meets(View::ADDUSER) {
        frames.push(adduser::frame(entry));
    }
    frames
}

fn speakers(app: &AppState, view: View) -> impl Iterator<Item = Arc<Connection>> {
    app.rooms.connections().into_iter().filter(move |page| page.view().meets(view))
}

fn show(app: &AppState, view: View, frames: &[Frame]) {
    for page in speakers(app, view) {
        if !frames.iter().all(|frame| page.push(frame)) {
            tracing::debug!("a page did not take its list");
        }
    }
}
