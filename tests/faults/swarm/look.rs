//! What the watchers read from the nodes: heads, whole histories, who is there; and whether
//! everybody has come to the same end.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Paper, Seat, Swarm,
    words::{self, IsOnline, Message},
};
use crate::{
    checker::{History, Shown, Truth},
    records::{Cursor, Event, Line, Name},
};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Users that can be asked after at once.
const ASKED_AT_ONCE: usize = 100;

impl Swarm {
    /// Waits until nobody has anything unsent, and everybody has applied all there is. What is
    /// still missing after the bound is said.
    pub(crate) async fn settles(&self, bound: Duration) -> Vec<String> {
        let end = Instant::now() + bound;
        loop {
            let lagging = self.lagging().await;
            if lagging.is_empty() || Instant::now() >= end {
                return lagging;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until everybody at this node has all of a room that there is now; whether that came.
    pub(crate) async fn settles_at(&self, room: Name, node: Name, bound: Duration) -> bool {
        let Some(head) = self.head(room).await else { return false };
        let end = Instant::now() + bound;
        loop {
            let has_all = |seat: &Seat| {
                let rooms = seat.status().rooms;
                let cursor = rooms.iter().find(|(name, ..)| *name == room).map(|(_, at, _)| *at);
                cursor.is_none_or(|cursor| place(cursor) >= head)
            };
            if self.at(node).iter().all(has_all) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn lagging(&self) -> Vec<String> {
        self.fails_with_its_clients();
        let seats = self.open();
        let away = seats.iter().filter(|seat| !seat.status().is_live());
        let away: Vec<String> =
            away.map(|seat| format!("{} is not in all its rooms", seat.name)).collect();
        let unsent = seats.iter().filter(|seat| seat.status().unsent > 0);
        let unsent = unsent.map(|s| format!("{} has {} unsent", s.name, s.status().unsent));
        let lagging: Vec<String> = away.into_iter().chain(unsent).collect();
        if !lagging.is_empty() {
            return lagging;
        }
        let mut heads = BTreeMap::new();
        for room in &self.rooms {
            match self.head(*room).await {
                Some(head) => heads.insert(*room, head),
                None => return vec![format!("nobody says where {room} ends")],
            };
        }
        let mut lagging = Vec::new();
        for seat in seats {
            for (room, cursor, _) in seat.status().rooms {
                let head = heads.get(&room).copied().unwrap_or_default();
                if place(cursor) != head {
                    let at = place(cursor);
                    lagging.push(format!("{} is at {at:?} of {head:?} in {room}", seat.name));
                }
            }
        }
        lagging
    }

    /// Those who have not been closed.
    pub(super) fn open(&self) -> Vec<Seat> {
        let lives = self.lives.lock();
        let open = lives.iter().filter(|life| !life.task.is_finished());
        open.map(|life| life.seat.clone()).collect()
    }

    /// Asks the first watcher that can answer.
    async fn ask(&self, event: &'static str, payload: Value) -> Option<Value> {
        for watcher in &self.watchers {
            if let Some(said) = granted(watcher, event, payload.clone()).await {
                return Some(said);
            }
        }
        None
    }

    async fn head(&self, room: Name) -> Option<(Option<Name>, u64)> {
        let said = self.ask("message:history", json!({ "room": room, "limit": 1 })).await?;
        let said: words::History = serde_json::from_value(said).ok()?;
        Some((said.epoch.as_deref().map(Name::new), said.head))
    }

    /// Every room's log, as the store has it.
    pub(crate) async fn histories(&self) -> Vec<History> {
        let mut histories = Vec::new();
        for room in &self.rooms {
            histories.push(self.history(*room).await);
        }
        histories
    }

    async fn history(&self, room: Name) -> History {
        let mut read = History {
            at: self.notes.clock.now(),
            room,
            epoch: None,
            head: 0,
            first: 0,
            entries: Vec::new(),
        };
        loop {
            let after = read.entries.last().map_or(0, |line| line.seq);
            let page = json!({ "room": room, "after": after, "limit": 200 });
            let said = self.ask("message:history", page).await;
            let said = said.unwrap_or_else(|| panic!("nobody reads {room} to us after {after}"));
            let said: words::History = serde_json::from_value(said).unwrap();
            read.epoch = said.epoch.as_deref().map(Name::new);
            (read.head, read.first) = (said.head, said.first);
            read.entries.extend(said.messages.iter().map(Message::line));
            if !said.more_after {
                read.at = self.notes.clock.now();
                return read;
            }
        }
    }

    /// A room's log as this client is given it; or the code of a refusal.
    pub(crate) async fn reads_by(&self, seat: &Seat, room: Name) -> Result<Vec<Line>, String> {
        let mut lines: Vec<Line> = Vec::new();
        loop {
            let after = lines.last().map_or(0, |line| line.seq);
            let page = json!({ "room": room, "after": after, "limit": 200 });
            let said = seat.asks("message:history", page).await;
            let said = said.ok_or_else(|| "nothing".to_owned())?;
            if said["ok"] != true {
                return Err(said["error"]["code"].as_str().unwrap_or("no code").to_owned());
            }
            let said: words::History = serde_json::from_value(said).map_err(|e| e.to_string())?;
            lines.extend(said.messages.iter().map(Message::line));
            if !said.more_after {
                return Ok(lines);
            }
        }
    }

    /// Who truly is where: whoever is connected.
    pub(crate) fn truth(&self) -> Vec<Truth> {
        let mut places: BTreeMap<Option<Name>, BTreeSet<Name>> = BTreeMap::new();
        let rooms = self.rooms.iter().map(|room| Some(*room));
        for place in rooms.chain([None]) {
            places.insert(place, BTreeSet::new());
        }
        for seat in self.open() {
            let status = seat.status();
            let (Some(user), Some(_)) = (status.user, status.node) else { continue };
            let rooms = status.rooms.iter().map(|(room, ..)| Some(*room));
            for place in rooms.chain([None]) {
                places.entry(place).or_default().insert(user);
            }
        }
        let truth =
            |(room, users): (_, BTreeSet<Name>)| Truth { room, users: users.into_iter().collect() };
        places.into_iter().map(truth).collect()
    }

    /// What every node shows, once that is the truth or the bound has passed.
    pub(crate) async fn shown(&self, truth: &[Truth], bound: Duration) -> Vec<Shown> {
        let end = Instant::now() + bound;
        loop {
            let shown = self.look_around(truth).await;
            let is_true = |shown: &Shown| {
                let truth = truth.iter().find(|truth| truth.room == shown.room);
                truth.is_some_and(|truth| sorted(&truth.users) == sorted(&shown.users))
            };
            if shown.iter().all(is_true) || Instant::now() >= end {
                return shown;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn look_around(&self, truth: &[Truth]) -> Vec<Shown> {
        let mut shown = Vec::new();
        for watcher in &self.watchers {
            let Some(node) = watcher.status().node else { continue };
            for place in truth {
                let at = self.notes.clock.now();
                let users = match place.room {
                    Some(room) => members(watcher, room).await,
                    None => online(watcher, &self.everybody()).await,
                };
                if let Some(users) = users {
                    shown.push(Shown { at, node, room: place.room, users });
                }
            }
        }
        shown
    }

    /// All users there ever were.
    fn everybody(&self) -> Vec<Name> {
        self.seats().iter().filter_map(|seat| seat.status().user).collect()
    }

    /// The watchers look once at who is in the hot room, and write it down; whom any of them sees.
    pub(crate) async fn watch(&self) -> BTreeSet<Name> {
        self.watch_but(0).await
    }

    /// The same, but for the watcher at this node, by its number from 1, which would not answer.
    pub(crate) async fn watch_but(&self, node: usize) -> BTreeSet<Name> {
        let mut seen = BTreeSet::new();
        let watchers = self.watchers.iter().zip(1..).filter(|(_, number)| *number != node);
        for (watcher, _) in watchers {
            let asked_at = self.notes.clock.now();
            let room = self.rooms[0];
            let Some(users) = members(watcher, room).await else { continue };
            seen.extend(users.iter().copied());
            let lives = self.lives.lock();
            let life = lives.iter().find(|life| life.seat.name == watcher.name);
            if let Some(Paper::Ours(pen)) = life.map(|life| &life.paper) {
                pen.note(Event::Presence { asked_at, room: Some(room), asked: Vec::new(), users });
            }
        }
        seen
    }
}

fn place(cursor: Option<Cursor>) -> (Option<Name>, u64) {
    cursor.map_or((None, 0), |cursor| (cursor.epoch, cursor.seq))
}

fn sorted(users: &[Name]) -> BTreeSet<Name> {
    users.iter().copied().collect()
}

async fn granted(watcher: &Seat, event: &'static str, payload: Value) -> Option<Value> {
    let said = watcher.asks(event, payload).await?;
    (said["ok"] == true).then_some(said)
}

/// All pages of who is in a room; none: the node does not say.
async fn members(watcher: &Seat, room: Name) -> Option<Vec<Name>> {
    let mut users = Vec::new();
    let mut cursor = None;
    loop {
        let ask = json!({ "room": room, "limit": 200, "cursor": cursor });
        let said = granted(watcher, "room:members", ask).await?;
        let said: words::Members = serde_json::from_value(said).ok()?;
        users.extend(words::ids(&said.members));
        cursor = said.cursor;
        if cursor.is_none() {
            return Some(users);
        }
    }
}

/// Who of these is online; none: the node does not say.
async fn online(watcher: &Seat, of: &[Name]) -> Option<Vec<Name>> {
    let mut users = Vec::new();
    for some in of.chunks(ASKED_AT_ONCE) {
        let said = granted(watcher, "presence:get", json!({ "users": some })).await?;
        let said: words::Online = serde_json::from_value(said).ok()?;
        let online = said.users.iter().filter(|user| user.online);
        users.extend(online.map(|IsOnline { id, .. }| Name::new(id)));
    }
    Some(users)
}
