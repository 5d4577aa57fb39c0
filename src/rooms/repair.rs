//! Opening a room, handing out what arrives, and filling gaps from the log: the one place that
//! moves a room's position.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    News, Rooms,
    hosted::{Hosted, Phase, State},
    members::Speech,
};
use crate::{
    adapter::Topic,
    clock,
    domain::{
        message::Entry,
        position::{Cursor, Head, ResetReason, Track, Verdict},
    },
    error::{Error, Outcome, Result},
    store::log::{LONGEST_PAGE, Range},
    telemetry::Label,
};

/// Between two tries while the store does not answer.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Entries that wait to be written together; at it they are written.
const MOST_GATHERED: usize = 256;

/// Subscribe, then read, never the reverse: makes a room's position known.
pub(super) async fn open(rooms: Rooms, hosted: Arc<Hosted>) {
    while !hosted.state().is_closed() {
        match begin(&rooms, &hosted).await {
            Ok(is_live) => {
                if !is_live {
                    fill(&rooms, &hosted).await;
                }
                hosted.opened();
                return;
            }
            Err(error) => {
                tracing::debug!(room = %hosted.room, %error, "cannot open the room yet");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// `true`: nothing was heard meanwhile but what follows the log's head, so nothing need be read.
async fn begin(rooms: &Rooms, hosted: &Arc<Hosted>) -> Result<bool> {
    let listening = rooms.0.parts.adapter.listen(Topic::Room(hosted.room.clone())).await?;
    hosted.keep(listening);
    let heads = rooms.0.parts.log.heads(std::slice::from_ref(&hosted.room)).await?;
    let mut state = hosted.state();
    state.track = Track::at(heads.first().and_then(Option::as_ref));
    state.phase = Phase::Repairing;
    Ok(release_held(rooms, hosted, &mut state))
}

impl Rooms {
    /// An entry was heard: the room that has something to write now, if it has.
    pub(super) fn hear(&self, entry: Arc<Entry>) -> Option<Arc<Hosted>> {
        let hosted = self.hosted(&entry.room)?;
        let mut state = hosted.state();
        state.last_entry = Some(Instant::now());
        if state.phase != Phase::Live {
            state.hold(entry);
            return None;
        }
        match state.track.judge(&entry.position, &entry.mid) {
            Verdict::Deliver => {
                self.hand_out(&hosted, &mut state, &entry);
                drop(state);
                Some(hosted)
            }
            Verdict::Drop => None,
            Verdict::Doubt | Verdict::Gap | Verdict::NewEpoch => {
                state.hold(entry);
                drop(state);
                self.repair(&hosted, "out_of_turn");
                None
            }
        }
    }

    /// Reads the log before anything more is handed out. Once at a time per room.
    pub(super) fn repair(&self, hosted: &Arc<Hosted>, cause: &'static str) {
        {
            let mut state = hosted.state();
            if state.phase != Phase::Live || state.is_closed() {
                return;
            }
            state.phase = Phase::Repairing;
        }
        self.0.parts.metrics.fanout_gap.add(1, &[Label::new("cause", cause)]);
        let (rooms, hosted) = (self.clone(), hosted.clone());
        self.0.parts.lifecycle.spawn_until_stop(async move { fill(&rooms, &hosted).await });
    }

    /// An entry is next: it counts as handed out, and is soon written.
    fn hand_out(&self, hosted: &Hosted, state: &mut State, entry: &Arc<Entry>) {
        state.track.advance(&entry.position, &entry.mid);
        state.typing.stop(entry.author.user());
        state.note(entry);
        let waiting = state.members.gather(entry);
        let age = clock::now_ms().saturating_sub(entry.ts);
        #[expect(clippy::cast_precision_loss, reason = "an age in ms fits")]
        self.0.parts.metrics.delivery_seconds.record(age as f64 / 1_000.0, &[]);
        hosted.speech().words.told(&hosted.room, &News::Entry(entry));
        if waiting >= MOST_GATHERED {
            self.write(hosted, state);
        }
    }

    fn write(&self, hosted: &Hosted, state: &mut State) {
        state.members.write(&hosted.speech());
        state.written = Some(Instant::now());
        self.0.parts.metrics.delivered.add(state.members.take_handed(), &[]);
    }

    /// Writes what was handed out: at once in a room where little happens, else together with what
    /// else comes within `rooms.gather`.
    pub(super) fn write_soon(&self, hosted: &Arc<Hosted>) {
        let mut state = hosted.state();
        let due = state.written.map(|at| at + self.0.parts.config.gather);
        match due.filter(|due| *due > Instant::now()) {
            None => self.write(hosted, &mut state),
            Some(_) if state.is_to_write => {}
            Some(due) => {
                state.is_to_write = true;
                let (rooms, hosted) = (self.clone(), hosted.clone());
                // Also while the node stops: what was acknowledged is still brought to those here.
                self.0.parts.lifecycle.spawn(async move {
                    tokio::time::sleep_until(due.into()).await;
                    let mut state = hosted.state();
                    state.is_to_write = false;
                    rooms.write(&hosted, &mut state);
                });
            }
        }
    }
}

/// Reads on until the room is dense up to the log's head, then goes live.
async fn fill(rooms: &Rooms, hosted: &Arc<Hosted>) {
    loop {
        match read_on(rooms, hosted).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(room = %hosted.room, %error, "cannot read the log yet");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
        if hosted.state().is_closed() {
            return;
        }
    }
}

/// One page further; `true`: the room is live again.
async fn read_on(rooms: &Rooms, hosted: &Arc<Hosted>) -> Result<bool> {
    let cursor = cursor_of(&hosted.state().track);
    let log = &rooms.0.parts.log;
    let resumed = log.since(&hosted.room, &cursor, LONGEST_PAGE).await?;
    let page = if resumed.truncated {
        // What is gone is gone; members see the hole in the numbers. Go on with what is kept.
        log.page(&hosted.room, Range::After(cursor.seq.get()), LONGEST_PAGE).await?
    } else {
        resumed.page
    };
    let mut state = hosted.state();
    if resumed.truncated {
        state.forget();
    }
    if let Some(reason) = resumed.reset {
        reset(rooms, hosted, &mut state, reason, page.head.as_ref());
    } else {
        for entry in page.entries {
            if entry.position.seq > state.track.last() {
                rooms.hand_out(hosted, &mut state, &Arc::new(entry));
            }
        }
        if page.more_after {
            if state.track.last() <= cursor.seq.get() {
                // Nothing on this page can be read here; no hurry to look at it again.
                return Err(Error::unavailable(Outcome::None));
            }
            rooms.write(hosted, &mut state);
            return Ok(false);
        }
    }
    Ok(release_held(rooms, hosted, &mut state))
}

/// Hands out what was held. The log has just been read, so what does not fit next to it is either
/// old or will be read next; `true`: nothing is left to read.
fn release_held(rooms: &Rooms, hosted: &Hosted, state: &mut State) -> bool {
    let mut dense = !state.take_overflow();
    while let Some(entry) = state.next_held() {
        match state.track.judge(&entry.position, &entry.mid) {
            Verdict::Deliver => rooms.hand_out(hosted, state, &entry),
            Verdict::Drop | Verdict::Doubt => {}
            Verdict::Gap | Verdict::NewEpoch => dense = false,
        }
    }
    rooms.write(hosted, state);
    if dense {
        state.phase = Phase::Live;
    }
    dense
}

fn reset(
    rooms: &Rooms,
    hosted: &Hosted,
    state: &mut State,
    reason: ResetReason,
    head: Option<&Head>,
) {
    let name: &'static str = reason.into();
    tracing::warn!(room = %hosted.room, reason = name, "the log is not what it was; members page again");
    rooms.0.parts.metrics.client_reset.add(1, &[Label::new("reason", name)]);
    state.track = Track::at(head);
    state.forget();
    let news = News::Reset {
        reason,
        head: head.map_or(0, |head| head.seq),
        epoch: head.map(|head| &head.epoch),
    };
    let speech = hosted.speech();
    state.members.reset(&news, head.map(|head| (&head.epoch, head.seq)), &speech);
    speech.words.told(&hosted.room, &news);
}

/// Tells members where the log ends, so that who is behind fetches.
pub(super) fn beacon(state: &mut State, speech: &Speech<'_>) {
    let Some(epoch) = state.track.epoch().cloned() else { return };
    state.last_beacon = Some(Instant::now());
    let news = News::Head { epoch: &epoch, seq: state.track.last(), mid: state.track.last_mid() };
    state.members.tell(&news, speech);
}

fn cursor_of(track: &Track) -> Cursor {
    Cursor {
        epoch: track.epoch().cloned(),
        seq: track.last().try_into().expect("a store's numbers are within bounds"),
        mid: track.last_mid().cloned(),
    }
}
