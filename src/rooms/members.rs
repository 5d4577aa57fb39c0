//! The members of one hosted room, and how news reaches each in its own words.
use std::{collections::HashMap, sync::Arc};

use super::{Connection, Frame, News, Words};
use crate::domain::{
    id::{ConnectionId, Epoch, RoomId},
    message::Entry,
    view::View,
};

/// Entries kept for a member that is still reading; past it, it is told to fetch instead.
const MOST_BUFFERED: usize = 1_000;

/// How a member hears.
enum Ear {
    /// Not yet: it reads the log first, and what is heard meanwhile waits.
    Buffering { entries: Vec<Arc<Entry>>, overflowed: bool },
    /// Everything but what it has read: up to this number of this epoch.
    Live { read: Option<(Epoch, u64)> },
}

struct Member {
    connection: Arc<Connection>,
    ear: Ear,
    /// Where the log ended when it came: until there it catches up.
    came_at: u64,
}

#[derive(Default)]
pub(super) struct Members(HashMap<ConnectionId, Member>);

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a member, or makes one that is here read again. `false`: there are `most`.
    pub(super) fn buffer(&mut self, connection: &Arc<Connection>, most: usize) -> bool {
        if self.0.len() >= most && !self.0.contains_key(&connection.id) {
            return false;
        }
        let ear = Ear::Buffering { entries: Vec::new(), overflowed: false };
        self.0.insert(
            connection.id.clone(),
            Member { connection: connection.clone(), ear, came_at: 0 },
        );
        true
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) {
        self.0.remove(id);
    }

    /// Lets a member hear live what lies after what it has read. `false`: too much came
    /// meanwhile, it has to fetch.
    pub(super) fn go_live(
        &mut self,
        id: &ConnectionId,
        (read, came_at): (Option<&(Epoch, u64)>, u64),
        speech: &Speech<'_>,
    ) -> bool {
        let Some(member) = self.0.get_mut(id) else { return true };
        member.came_at = came_at;
        let live = Ear::Live { read: read.cloned() };
        let Ear::Buffering { entries, overflowed } = std::mem::replace(&mut member.ear, live)
        else {
            return true;
        };
        if overflowed {
            // It fetches from where it is; nothing that comes may be taken for old.
            member.ear = Ear::Live { read: None };
            return false;
        }
        let view = member.connection.view();
        for entry in entries.iter().filter(|entry| is_new(entry, read)) {
            for frame in speech.frames(&News::Entry(entry), view) {
                if !member.connection.push(&frame) {
                    return true;
                }
            }
        }
        true
    }

    /// Whether what follows a number is something that a member has missed before it came.
    pub(super) fn is_behind(&self, id: &ConnectionId, seq: u64) -> bool {
        self.0.get(id).is_some_and(|member| seq < member.came_at)
    }

    /// Hands an entry to every member, encoded once per view; how many were sent it.
    pub(super) fn hand_out(&mut self, entry: &Arc<Entry>, speech: &Speech<'_>) -> u64 {
        let mut encoded = Encoded::default();
        let mut handed = 0;
        for member in self.0.values_mut() {
            match &mut member.ear {
                Ear::Buffering { entries, overflowed } if entries.len() >= MOST_BUFFERED => {
                    entries.clear();
                    *overflowed = true;
                }
                Ear::Buffering { entries, .. } => entries.push(entry.clone()),
                Ear::Live { read } if is_new(entry, read.as_ref()) => {
                    let frames = encoded.get(member.connection.view(), speech, &News::Entry(entry));
                    if !frames.is_empty() && frames.iter().all(|f| member.connection.push(f)) {
                        handed += 1;
                    }
                }
                Ear::Live { .. } => {}
            }
        }
        handed
    }

    /// Tells every member that hears live.
    pub(super) fn tell(&self, news: &News<'_>, speech: &Speech<'_>) {
        let mut encoded = Encoded::default();
        for member in self.0.values() {
            if matches!(member.ear, Ear::Live { .. }) {
                for frame in encoded.get(member.connection.view(), speech, news) {
                    if !member.connection.push(frame) {
                        break;
                    }
                }
            }
        }
    }

    /// The log is not what it was. Members who have read the old one are told so; members who
    /// have read the new one already are told where it ends. All go on from `head`.
    pub(super) fn reset(
        &mut self,
        news: &News<'_>,
        head: Option<(&Epoch, u64)>,
        speech: &Speech<'_>,
    ) {
        let mut encoded = Encoded::default();
        for member in self.0.values_mut() {
            member.came_at = 0;
            let read = match &mut member.ear {
                Ear::Live { read } => read,
                // What it is reading is not this log any more: it is told where this one ends, of
                // another epoch, as soon as it hears.
                Ear::Buffering { entries, overflowed } => {
                    entries.clear();
                    *overflowed = true;
                    continue;
                }
            };
            let knows = matches!((&*read, head), (Some((epoch, _)), Some((new, _))) if epoch == new)
                && matches!(news, News::Reset { reason, .. }
                    if *reason == crate::domain::position::ResetReason::EpochChanged);
            let view = member.connection.view();
            if knows {
                if let Some((epoch, seq)) = head {
                    let beacon = News::Head { epoch, seq, mid: None };
                    for frame in speech.frames(&beacon, view) {
                        member.connection.push(&frame);
                    }
                }
            } else {
                for frame in encoded.get(view, speech, news) {
                    member.connection.push(frame);
                }
            }
            *read = head.map(|(epoch, seq)| (epoch.clone(), seq));
        }
    }
}

/// Whether a member that has read this far has not had this entry. Of another epoch than the one
/// it has read nothing is new: either it is older, or a reset is on its way.
fn is_new(entry: &Entry, read: Option<&(Epoch, u64)>) -> bool {
    read.is_none_or(|(epoch, seq)| entry.position.epoch == *epoch && entry.position.seq > *seq)
}

/// A room and the words for it.
pub(super) struct Speech<'a> {
    pub(super) room: &'a RoomId,
    pub(super) words: &'a dyn Words,
}

impl Speech<'_> {
    fn frames(&self, news: &News<'_>, view: View) -> Vec<Frame> {
        self.words.frames(self.room, news, view)
    }
}

/// One piece of news in each view that somebody has; there are few views.
#[derive(Default)]
struct Encoded(Vec<(View, Vec<Frame>)>);

impl Encoded {
    fn get(&mut self, view: View, speech: &Speech<'_>, news: &News<'_>) -> &[Frame] {
        let at = self.0.iter().position(|(v, _)| *v == view).unwrap_or_else(|| {
            self.0.push((view, speech.frames(news, view)));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}
