//! The members of one hosted room, and how news reaches each in its own words.
use std::{collections::HashMap, sync::Arc};

use super::{Batch, Connection, Frame, News, Words};
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
pub(super) struct Members {
    here: HashMap<ConnectionId, Member>,
    /// Handed out, but not yet written: what comes close together is written together. Whatever
    /// changes who hears, or says anything else, writes these first.
    gathered: Vec<Arc<Entry>>,
    /// Deliveries since the last time this was asked.
    handed: u64,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    pub(super) fn take_handed(&mut self) -> u64 {
        std::mem::take(&mut self.handed)
    }

    /// Adds a member, or makes one that is here read again. `false`: there are `most`.
    pub(super) fn buffer(
        &mut self,
        connection: &Arc<Connection>,
        most: usize,
        speech: &Speech<'_>,
    ) -> bool {
        if self.here.len() >= most && !self.here.contains_key(&connection.id) {
            return false;
        }
        self.write(speech);
        let ear = Ear::Buffering { entries: Vec::new(), overflowed: false };
        self.here.insert(
            connection.id.clone(),
            Member { connection: connection.clone(), ear, came_at: 0 },
        );
        true
    }

    pub(super) fn remove(&mut self, id: &ConnectionId, speech: &Speech<'_>) {
        self.write(speech);
        self.here.remove(id);
    }

    /// Lets a member hear live what lies after what it has read. `false`: too much came
    /// meanwhile, it has to fetch.
    pub(super) fn go_live(
        &mut self,
        id: &ConnectionId,
        (read, came_at): (Option<&(Epoch, u64)>, u64),
        speech: &Speech<'_>,
    ) -> bool {
        self.write(speech);
        let Some(member) = self.here.get_mut(id) else { return true };
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
        self.here.get(id).is_some_and(|member| seq < member.came_at)
    }

    /// Takes an entry for every member; [`Members::write`] brings it to them. How many wait now.
    pub(super) fn gather(&mut self, entry: &Arc<Entry>) -> usize {
        self.gathered.push(entry.clone());
        self.gathered.len()
    }

    /// Hands what was gathered to every member, encoded once per view.
    pub(super) fn write(&mut self, speech: &Speech<'_>) {
        if self.gathered.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.gathered);
        let mut encoded = Encoded::default();
        for member in self.here.values_mut() {
            match &mut member.ear {
                Ear::Buffering { entries: kept, overflowed } => {
                    if kept.len() + entries.len() > MOST_BUFFERED {
                        kept.clear();
                        *overflowed = true;
                    } else {
                        kept.extend(entries.iter().cloned());
                    }
                }
                Ear::Live { read } => {
                    let had = entries.iter().take_while(|e| !is_new(e, read.as_ref())).count();
                    let view = member.connection.view();
                    let batch = encoded.get((view, had), || {
                        entries[had..].iter().flat_map(|e| speech.frames(&News::Entry(e), view))
                    });
                    if !batch.frames.is_empty() && member.connection.push_all(batch) {
                        self.handed += (entries.len() - had) as u64;
                    }
                }
            }
        }
    }

    /// Tells every member that hears live.
    pub(super) fn tell(&mut self, news: &News<'_>, speech: &Speech<'_>) {
        self.write(speech);
        let mut encoded = Encoded::default();
        for member in self.here.values() {
            if matches!(member.ear, Ear::Live { .. }) {
                let view = member.connection.view();
                member.connection.push_all(encoded.get((view, 0), || speech.frames(news, view)));
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
        self.write(speech);
        let mut encoded = Encoded::default();
        for member in self.here.values_mut() {
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
                member.connection.push_all(encoded.get((view, 0), || speech.frames(news, view)));
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

/// The same news in each view that somebody has, and without the first few for who has read them;
/// there are few of either.
#[derive(Default)]
struct Encoded(Vec<((View, usize), Batch)>);

impl Encoded {
    fn get<F: IntoIterator<Item = Frame>>(
        &mut self,
        key: (View, usize),
        frames: impl FnOnce() -> F,
    ) -> &Batch {
        let at = self.0.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let frames = frames().into_iter().collect();
            self.0.push((key, Batch { frames, ..Batch::default() }));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}
