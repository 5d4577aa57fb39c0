//! The slow look over all hosted rooms: is each where the store says it ends? It catches whatever
//! no other trigger noticed, and tells members where the log ends.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Rooms,
    hosted::{Hosted, Phase},
    repair,
};
use crate::{
    adapter::Topic,
    domain::{id::RoomId, position::Head},
    error::Result,
};

/// Rooms compared in one call.
const AT_ONCE: usize = 200;
/// An entry that was stored a moment ago may still be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(250);
/// A room is active while somebody wrote this recently.
const ACTIVE: Duration = Duration::from_mins(1);

/// A room is always in the same slice, so each is looked at once a round.
const SLICES: u32 = 16;

impl Rooms {
    /// Looks over every room once per `position_check`, spread evenly, until told to stop.
    pub async fn watch(self) {
        let config = &self.0.parts.config;
        let mut tick = tokio::time::interval(config.position_check / SLICES);
        let mut slice = 0;
        loop {
            tick.tick().await;
            slice = (slice + 1) % SLICES;
            let due: Vec<_> = self
                .all_hosted()
                .into_iter()
                .filter(|hosted| slice_of(&hosted.room, SLICES) == slice)
                .collect();
            let all = self.all_hosted();
            self.say_heads(&all);
            forget_unused(&all);
            let deaf = all.into_iter().filter(|hosted| has_not_heard_itself(hosted));
            let doubtful: Vec<_> = due.into_iter().chain(deaf).collect();
            if let Err(error) = self.look_twice(&doubtful).await {
                tracing::debug!(%error, "cannot compare positions");
            }
        }
    }

    /// A room is behind when it is at the second look where it was at the first.
    async fn look_twice(&self, due: &[Arc<Hosted>]) -> Result<()> {
        let at = |hosted: Arc<Hosted>| {
            let last = hosted.state().track.last();
            (last, hosted)
        };
        let first: Vec<(u64, Arc<Hosted>)> = self.behind(due).await?.into_iter().map(at).collect();
        if first.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(ON_ITS_WAY).await;
        let stuck: Vec<Arc<Hosted>> = first
            .into_iter()
            .filter(|(last, hosted)| hosted.state().track.last() == *last)
            .map(|(_, hosted)| hosted)
            .collect();
        for hosted in self.behind(&stuck).await? {
            // Two looks, nothing heard between: the subscription itself is in doubt.
            let topic = Topic::Room(hosted.room.clone());
            if let Err(error) = self.0.parts.adapter.relisten(&topic).await {
                tracing::debug!(room = %hosted.room, %error, "cannot subscribe again yet");
            }
            self.repair(&hosted, "position_check");
        }
        Ok(())
    }

    /// A message of this node is in the log, and was heard by so many nodes. By nobody, although
    /// this node hosts the room: the subscription is deaf. By others only, who may have found out
    /// before us: that is seen when it does not come.
    pub fn said(&self, room: &RoomId, seq: u64, heard_by: u64) {
        let Some(hosted) = self.hosted(room) else { return };
        if heard_by > 0 {
            let mut state = hosted.state();
            if state.track.last() < seq {
                state.unheard.get_or_insert((seq, Instant::now()));
            }
            return;
        }
        let this = self.clone();
        self.0.parts.lifecycle.spawn_until_stop(async move {
            if let Err(error) = this.look_twice(&[hosted]).await {
                tracing::debug!(%error, "cannot look at a suspected room");
            }
        });
    }

    fn say_heads(&self, due: &[Arc<Hosted>]) {
        for hosted in due {
            let mut state = hosted.state();
            let active = state.last_entry.is_some_and(|at| at.elapsed() < ACTIVE);
            let beacon = self.0.parts.config.beacon;
            if active && state.last_beacon.is_none_or(|at| at.elapsed() >= beacon) {
                repair::beacon(&mut state, &hosted.speech());
            }
        }
    }

    /// Compares rooms with the store and repairs those that differ.
    pub(super) async fn compare(
        &self,
        doubtful: &[Arc<Hosted>],
        cause: &'static str,
    ) -> Result<()> {
        for hosted in self.behind(doubtful).await? {
            self.repair(&hosted, cause);
        }
        Ok(())
    }

    /// Which of these are not where the store says they end.
    async fn behind(&self, rooms: &[Arc<Hosted>]) -> Result<Vec<Arc<Hosted>>> {
        let mut behind = Vec::new();
        for some in rooms.chunks(AT_ONCE) {
            let names: Vec<RoomId> = some.iter().map(|hosted| hosted.room.clone()).collect();
            let heads = self.0.parts.log.heads(&names).await?;
            let found = some.iter().zip(heads);
            behind.extend(
                found.filter(|(h, head)| differs(h, head.as_ref())).map(|(h, _)| h.clone()),
            );
        }
        Ok(behind)
    }
}

/// What nobody has asked for in a while is not kept in memory.
fn forget_unused(hosted: &[Arc<Hosted>]) {
    let now = Instant::now();
    for hosted in hosted {
        let mut state = hosted.state();
        if state.recent.as_ref().is_some_and(|recent| recent.is_unused(now)) {
            state.recent = None;
        }
    }
}

/// Whether something was said here a while ago that has not come back; asked once for each.
fn has_not_heard_itself(hosted: &Hosted) -> bool {
    let mut state = hosted.state();
    let Some((seq, since)) = state.unheard else { return false };
    let is_heard = state.track.last() >= seq;
    let is_late = since.elapsed() >= ON_ITS_WAY;
    if is_heard || is_late {
        state.unheard = None;
    }
    is_late && !is_heard
}

fn differs(hosted: &Hosted, head: Option<&Head>) -> bool {
    let state = hosted.state();
    let Some(head) = head else { return state.track.epoch().is_some() };
    let here = &state.track;
    let is_here = here.epoch() == Some(&head.epoch)
        && here.last() == head.seq
        && (head.mid.is_none() || here.last_mid().is_none_or(|mid| head.mid.as_ref() == Some(mid)));
    state.phase == Phase::Live && !is_here
}

fn slice_of(room: &RoomId, slices: u32) -> u32 {
    room.as_str().bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        domain::{
            position::{Position, Track},
            view::View,
        },
        rooms::{Frame, News, Words},
    };

    /// Has no words for anything.
    struct Mute;

    impl Words for Mute {
        fn frames(&self, _: &RoomId, _: &News<'_>, _: View) -> Vec<Frame> {
            Vec::new()
        }
        fn told(&self, _: &RoomId, _: &News<'_>) {}
    }

    #[test]
    fn what_was_said_here_and_does_not_come_back_puts_the_room_in_doubt_once() {
        let hosted = Hosted::new("hot".parse().unwrap(), Arc::new(Mute));
        assert!(!has_not_heard_itself(&hosted), "nothing was said");

        hosted.state().unheard = Some((1, Instant::now()));
        assert!(!has_not_heard_itself(&hosted), "it may be on its way");

        let a_while_ago = Instant::now().checked_sub(ON_ITS_WAY * 2).unwrap();
        hosted.state().unheard = Some((1, a_while_ago));
        assert!(has_not_heard_itself(&hosted));
        assert!(!has_not_heard_itself(&hosted), "that was looked into");

        let mut track = Track::default();
        track.advance(&Position { epoch: clock::new_epoch(), seq: 1 }, &clock::new_mid());
        hosted.state().track = track;
        hosted.state().unheard = Some((1, a_while_ago));
        assert!(!has_not_heard_itself(&hosted), "it came back");
        assert_eq!(hosted.state().unheard, None);
    }
}
