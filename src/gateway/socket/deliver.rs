//! News in native words, and in whose words else: encoded once per node and view.
use std::sync::Arc;

use crate::{
    domain::{id::RoomId, view::View},
    events::{
        ServerEvent, message_new::MessageNew, presence_changed::PresenceChanged,
        room_head::RoomHead, room_reset::RoomReset, typing::Typing,
    },
    gateway::classic::lobby::{self, Lobby},
    rooms::{Frame, News, Words},
};

/// Puts news into the words of each view.
pub(in crate::gateway) struct Speaker {
    /// The tutorials' room, while their dialects are on.
    pub(in crate::gateway) lobby: Option<Arc<Lobby>>,
}

impl Words for Speaker {
    fn frames(&self, room: &RoomId, news: &News<'_>, view: View) -> Vec<Frame> {
        if view.meets(View::NATIVE) {
            return vec![native(room, news)];
        }
        lobby::frames(news, view)
    }

    fn told(&self, room: &RoomId, news: &News<'_>) {
        if let Some(lobby) = self.lobby.as_ref().filter(|lobby| lobby.room == *room) {
            lobby.told(news);
        }
    }
}

fn native(room: &RoomId, news: &News<'_>) -> Frame {
    fn frame<E: ServerEvent>(event: &E) -> Frame {
        Frame::new(E::NAME, event)
    }
    match news {
        News::Entry(entry) => frame(&MessageNew::from(*entry)),
        News::Reset { reason, head, epoch } => {
            frame(&RoomReset { room, reason: *reason, epoch: *epoch, head: *head })
        }
        News::Head { epoch, seq, mid } => frame(&RoomHead { room, epoch, seq: *seq, mid: *mid }),
        News::Presence(diff) => frame(&PresenceChanged::new(room, diff)),
        News::Typing { users, more } => frame(&Typing { room, users, more: *more }),
    }
}
