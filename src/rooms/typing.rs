//! Who is typing in a room: each node keeps the set, tells it now and then, and forgets who says
//! nothing more.
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{News, Rooms, hosted::Hosted};
use crate::{
    adapter::{Audience, Told},
    domain::{
        id::{RoomId, UserId},
        presence::Person,
        view::View,
    },
    error::Result,
};

/// The event nodes tell each other, and the one members hear (with the whole set).
pub(super) const EVENT: &str = "typing";
/// Who has not said it again for this long has stopped.
const EXPIRES: Duration = Duration::from_secs(6);
/// Names told; of the rest only how many.
const NAMED: usize = 5;

#[derive(Serialize, Deserialize)]
struct Change {
    user: Person,
    on: bool,
}

#[derive(Default)]
pub(super) struct Typing {
    typers: BTreeMap<UserId, (Person, Instant)>,
    /// A task that will tell the set is on its way.
    telling: bool,
    /// What members believe.
    told: Vec<UserId>,
}

impl Typing {
    /// A message ends the typing that made it; the task that tells the set sees it soon.
    pub(super) fn stop(&mut self, user: &UserId) {
        self.typers.remove(user);
    }
}

impl Rooms {
    /// Tells all nodes that a user of this room began or stopped typing.
    pub async fn tell_typing(&self, room: &RoomId, user: Person, on: bool) -> Result<()> {
        let change = Change { user, on };
        let told = Told::new(Audience::Room(room.clone()), View::NATIVE, EVENT, &change)?;
        self.0.parts.adapter.tell(vec![told]).await
    }

    pub(super) fn typed(&self, hosted: &Arc<Hosted>, told: &Told) {
        let Some(Ok(change)) = told.args.first().map(|arg| serde_json::from_str(arg.get())) else {
            return;
        };
        let Change { user, on } = change;
        let mut state = hosted.state();
        let typing = &mut state.typing;
        if on {
            typing.typers.insert(user.id.clone(), (user, Instant::now()));
        } else if typing.typers.remove(&user.id).is_none() {
            return;
        }
        if !std::mem::replace(&mut typing.telling, true) {
            let task = tell_until_quiet(hosted.clone(), self.0.parts.typing_every);
            self.0.parts.lifecycle.spawn_until_stop(task);
        }
    }

    /// Tells the set if it has changed; `true`: nobody types any more.
    fn say_typing(hosted: &Hosted) -> bool {
        let mut state = hosted.state();
        let typing = &mut state.typing;
        typing.typers.retain(|_, (_, since)| since.elapsed() < EXPIRES);
        let now: Vec<UserId> = typing.typers.keys().cloned().collect();
        let quiet = now.is_empty();
        if quiet {
            typing.telling = false;
        }
        if now == typing.told {
            return quiet;
        }
        let users: Vec<Person> =
            typing.typers.values().take(NAMED).map(|(person, _)| person.clone()).collect();
        let more = now.len() - users.len();
        typing.told = now;
        let news = News::Typing { users: &users, more };
        state.members.tell(&news, &hosted.speech());
        quiet
    }
}

async fn tell_until_quiet(hosted: Arc<Hosted>, every: Duration) {
    while !Rooms::say_typing(&hosted) && !hosted.state().is_closed() {
        tokio::time::sleep(every).await;
    }
}
