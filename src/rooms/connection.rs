//! A connection as rooms see it: who it is, in which words it hears, and where its frames go.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    outbox::{Batch, CloseReason, Frame, Full, Outbox},
    standing::Standing,
};
use crate::domain::{
    id::{ConnectionId, RoomId, UserId},
    room::Seat,
    view::View,
};

pub struct Connection {
    pub id: ConnectionId,
    pub user: UserId,
    pub standing: Standing,
    outbox: Arc<dyn Outbox>,
    view: Mutex<View>,
    /// Free-form names it put itself under; see [`crate::adapter::Audience::Group`].
    groups: Mutex<HashSet<String>>,
    /// What it is in each; `None`: the store has not said yet.
    rooms: Mutex<HashMap<RoomId, Option<Seat>>>,
}

impl Connection {
    pub fn new(
        id: ConnectionId,
        user: UserId,
        view: View,
        outbox: Arc<dyn Outbox>,
        standing: Standing,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            user,
            standing,
            outbox,
            view: Mutex::new(view),
            groups: Mutex::default(),
            rooms: Mutex::default(),
        })
    }

    pub fn view(&self) -> View {
        *self.view.lock()
    }

    /// It has shown that it speaks this: from undecided to this alone, else this too.
    pub fn speaks(&self, dialect: View) {
        let mut view = self.view.lock();
        *view = if *view == View::UNDECIDED { dialect } else { view.with(dialect) };
    }

    /// Puts it under a name; `false`: it has `most` already.
    pub fn group(&self, name: &str, most: usize) -> bool {
        let mut groups = self.groups.lock();
        groups.contains(name) || (groups.len() < most && groups.insert(name.to_owned()))
    }

    pub fn is_in_group(&self, name: &str) -> bool {
        self.groups.lock().contains(name)
    }

    pub fn is_in(&self, room: &RoomId) -> bool {
        self.rooms.lock().contains_key(room)
    }

    pub fn rooms(&self) -> Vec<RoomId> {
        self.rooms.lock().keys().cloned().collect()
    }

    /// What it is in a room it is in, as far as this node has heard: enough for what is not kept.
    pub fn seat(&self, room: &RoomId) -> Option<Seat> {
        self.rooms.lock().get(room).copied().flatten()
    }

    /// What the store said when it came.
    pub fn take_seat(&self, room: &RoomId, seat: Seat) {
        if let Some(known) = self.rooms.lock().get_mut(room) {
            *known = Some(seat);
        }
    }

    /// Changes what it is, and gives that, if it is another now.
    pub fn change_seat(&self, room: &RoomId, change: impl FnOnce(&mut Seat)) -> Option<Seat> {
        let mut rooms = self.rooms.lock();
        let seat = rooms.get_mut(room)?.as_mut()?;
        let before = *seat;
        change(seat);
        (*seat != before).then_some(*seat)
    }

    pub(super) fn note_room(&self, room: &RoomId) {
        self.rooms.lock().entry(room.clone()).or_default();
    }

    pub(super) fn forget_room(&self, room: &RoomId) {
        self.rooms.lock().remove(room);
    }

    /// Sends a frame; a connection that does not take it is closed. `false`: it was.
    pub fn push(&self, frame: &Frame) -> bool {
        self.or_close(self.outbox.push(frame))
    }

    /// The same for several.
    pub fn push_all(&self, batch: &Batch) -> bool {
        self.or_close(self.outbox.push_all(batch))
    }

    fn or_close(&self, taken: Result<(), Full>) -> bool {
        if taken.is_err() {
            self.outbox.close(CloseReason::SlowConsumer);
        }
        taken.is_ok()
    }

    pub fn close(&self, reason: CloseReason) {
        self.outbox.close(reason);
    }
}
