//! One connection, from dialling to leaving, and back: Engine.IO and Socket.IO as a client of theirs.
mod resume;

use std::collections::VecDeque;

use mio::Token;

use super::{
    account::{Hearing, Stay},
    carrier::{Carrier, Speak},
    mark::Mark,
    shared::Shared,
    text::{digits, field},
    trouble::Trouble,
    words::Who,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not connected.
    Away,
    /// On the way to a session.
    Opening,
    /// CONNECT is sent.
    Entering,
    Joining,
    /// In its room.
    Live,
}

/// What an ack is waited for.
#[derive(Debug)]
enum Asked {
    Join,
    Page,
    Message(Mark),
}

pub(super) struct Client {
    pub(super) id: u32,
    pub(super) room: u32,
    pub(super) target: usize,
    pub(super) polling: bool,
    pub(super) slow: bool,
    pub(super) stage: Stage,
    /// When it was to be dialled.
    since_us: u64,
    carrier: Option<Carrier>,
    asked: VecDeque<(u32, Asked)>,
    next_ack: u32,
    session: Option<String>,
    epoch: Option<String>,
    position: u64,
    /// The last message at a position that is known, for resuming.
    last: Option<(u64, Mark)>,
    /// Its place among the senders of its room, if it is one.
    pub(super) slot: Option<u16>,
    pub(super) stay: Stay,
    /// Stays that ended with a connection that cannot be resumed.
    pub(super) past: Vec<Stay>,
    /// How often it has joined.
    pub(super) joined: u32,
    pub(super) troubles: u32,
}

impl Client {
    pub(super) fn new(id: u32, shared: &Shared) -> Self {
        let plan = &shared.plan;
        let polls = shared.picks(id, plan.polling, 1);
        Self {
            id,
            room: plan.room_of(id),
            target: plan.target_of(id),
            polling: polls,
            slow: !polls && shared.picks(id, plan.slow, 2),
            stage: Stage::Away,
            since_us: 0,
            carrier: None,
            asked: VecDeque::new(),
            next_ack: 0,
            session: None,
            epoch: None,
            position: 0,
            last: None,
            slot: None,
            stay: Stay::whole(),
            past: Vec::new(),
            joined: 0,
            troubles: 0,
        }
    }

    pub(super) fn dial(&mut self, shared: &mut Shared, token: Token) -> Result<(), Trouble> {
        self.since_us = shared.now;
        self.stage = Stage::Opening;
        let target = &shared.plan.targets[self.target];
        let member = (self.id / shared.plan.rooms.max(1)) as usize / shared.plan.targets.len();
        let address = target.addresses[member % target.addresses.len()];
        let carrier = Carrier::dial(self.polling, address, self.target, shared, token)?;
        self.carrier = Some(carrier);
        Ok(())
    }

    pub(super) fn is_live(&self) -> bool {
        self.stage == Stage::Live
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether nothing more will come because of what happened so far.
    pub(super) fn is_settled(&self) -> bool {
        self.is_live() && self.is_idle()
    }

    /// Since when it has been trying to come in.
    pub(super) fn opening_since(&self) -> Option<u64> {
        matches!(self.stage, Stage::Opening | Stage::Entering | Stage::Joining)
            .then_some(self.since_us)
    }

    /// The socket has something to say. `most`: how many times to read at most.
    pub(super) fn ready(
        &mut self,
        second: bool,
        shared: &mut Shared,
        most: usize,
    ) -> Result<(), Trouble> {
        let Some(mut carrier) = self.carrier.take() else { return Ok(()) };
        let outcome = carrier.ready(second, self, shared, most);
        self.carrier = Some(carrier);
        outcome
    }

    /// One packet of Engine.IO has come whole.
    pub(super) fn packet(
        &mut self,
        carrier: &mut dyn Speak,
        packet: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        match packet {
            [b'4', b'2', ..] => {
                self.event(packet, shared);
                Ok(())
            }
            [b'4', b'3', ..] => self.ack(carrier, packet, shared),
            [b'2', ..] => carrier.speak(b"3"),
            [b'0', ..] => self.opened(carrier, shared),
            [b'4', b'0', ..] if self.stage == Stage::Entering => self.entered(carrier, shared),
            [b'4', b'4', ..] => {
                Err(Trouble::new(refusal_code(packet).unwrap_or("connect_error".to_owned())))
            }
            [b'4', b'1', ..] => Err(Trouble::new("disconnected")),
            [b'1', ..] => Err(Trouble::new("closed")),
            _ => Ok(()),
        }
    }

    /// Says something in its room. `Err`: the connection is no more.
    pub(super) fn say(&mut self, mark: Mark, shared: &mut Shared) -> Result<(), Trouble> {
        let Some(mut carrier) = self.carrier.take() else { return Err(Trouble::new("closed")) };
        let outcome =
            self.say_over(&mut carrier, mark, shared).and_then(|()| carrier.flush(shared));
        self.carrier = Some(carrier);
        outcome
    }

    fn say_over(
        &mut self,
        carrier: &mut dyn Speak,
        mark: Mark,
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        let ack = shared.plan.dialect.acks.then(|| self.ask(Asked::Message(mark)));
        let mut packet = Vec::with_capacity(256);
        shared.words.send(&self.who(""), ack, &mark, &mut packet);
        carrier.speak(&packet)
    }

    /// Leaves, and is away until it is dialled again.
    pub(super) fn leave(&mut self, shared: &mut Shared) {
        if let Some(carrier) = self.carrier.take() {
            carrier.close(shared);
        }
        let resumes = shared.plan.dialect.resumes;
        if self.joined > 0 && !resumes {
            let stay = std::mem::replace(&mut self.stay, Stay::part());
            self.past.push(stay);
        }
        if resumes {
            // They are sent again once it is back.
            self.asked.retain(|(_, asked)| matches!(asked, Asked::Message(_)));
        } else {
            for (_, asked) in std::mem::take(&mut self.asked) {
                if let Asked::Message(mark) = asked {
                    shared.void(&mark);
                }
            }
        }
        self.stage = Stage::Away;
    }

    /// Gives up on what was never acknowledged.
    pub(super) fn give_up(&mut self, shared: &mut Shared) {
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Asked::Message(mark) = asked {
                shared.void(&mark);
                shared.tally.error("never_acknowledged");
            }
        }
    }

    fn opened(&mut self, carrier: &mut dyn Speak, shared: &mut Shared) -> Result<(), Trouble> {
        self.stage = Stage::Entering;
        let mut packet = Vec::new();
        shared.words.enter(&self.who(""), &mut packet);
        carrier.speak(&packet)
    }

    fn entered(&mut self, carrier: &mut dyn Speak, shared: &mut Shared) -> Result<(), Trouble> {
        if !shared.words.joins() || shared.plan.rooms == 0 {
            return self.is_in(carrier, shared);
        }
        self.stage = Stage::Joining;
        let since = if self.joined > 0 && shared.plan.dialect.resumes {
            self.since(shared)
        } else {
            String::new()
        };
        let ack = self.ask(Asked::Join);
        let mut packet = Vec::new();
        shared.words.join(&self.who(&since), ack, &mut packet);
        carrier.speak(&packet)
    }

    fn is_in(&mut self, carrier: &mut dyn Speak, shared: &mut Shared) -> Result<(), Trouble> {
        self.stage = Stage::Live;
        self.joined += 1;
        if self.joined == 1 {
            shared.tally.connected += 1;
            shared.joined += 1;
            shared.tally.connecting.note(shared.now.saturating_sub(self.since_us));
        } else if shared.plan.dialect.resumes {
            shared.tally.resumed += 1;
        } else {
            shared.tally.returned += 1;
        }
        // What was on its way when the connection ended is said again; the server tells them apart.
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Asked::Message(mark) = asked {
                self.say_over(carrier, mark, shared)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, packet: &[u8], shared: &mut Shared) {
        if packet.starts_with(&shared.words.delivery) {
            self.delivered(packet, shared);
        } else if self.session.is_none()
            && shared.words.session.as_ref().is_some_and(|start| packet.starts_with(start))
        {
            self.session = field(packet, "session");
        }
    }

    fn delivered(&mut self, packet: &[u8], shared: &mut Shared) {
        let Some((mark, _)) = shared.words.marks.find(packet) else { return };
        let position = shared.words.position_in(packet);
        let hearing = self.stay.hear(&mark, true, position);
        if hearing == Hearing::Old {
            return;
        }
        if hearing == Hearing::Doubled {
            shared.tally.doubled += 1;
            return;
        }
        if hearing == Hearing::Reordered {
            shared.tally.reordered += 1;
        }
        shared.delivered(packet.len());
        if !self.slow {
            shared.delivered_after(mark.due);
        }
        if self.slot == Some(mark.slot) && mark.stream == shared.stream && !shared.plan.dialect.acks
        {
            shared.answered += 1;
        }
        if let Some(position) = position.filter(|position| *position > self.position) {
            self.position = position;
            self.last = Some((position, mark));
            if self.epoch.is_none() {
                self.epoch = field(packet, "epoch");
            }
        }
    }

    fn ack(
        &mut self,
        carrier: &mut dyn Speak,
        packet: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        let Some(rest) = shared.words.rest_of(packet) else { return Ok(()) };
        let id = digits(rest);
        let Some(at) = self.asked.iter().position(|(asked, _)| u64::from(*asked) == id) else {
            return Ok(());
        };
        let Some((_, asked)) = self.asked.remove(at) else { return Ok(()) };
        let refused = shared.words.is_refusal(rest);
        match asked {
            Asked::Message(mark) if refused => {
                shared
                    .tally
                    .error(&field(rest, "code").unwrap_or_else(|| "refused_by_server".to_owned()));
                shared.void(&mark);
                shared.answered += 1;
                Ok(())
            }
            Asked::Message(mark) => {
                shared.acked_after(mark.due);
                Ok(())
            }
            Asked::Join | Asked::Page if refused => {
                Err(Trouble::new(field(rest, "code").unwrap_or_else(|| "join_refused".to_owned())))
            }
            Asked::Join => self.joined_with(carrier, rest, shared),
            Asked::Page => self.caught_up(carrier, rest, shared),
        }
    }

    fn ask(&mut self, asked: Asked) -> u32 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.asked.push_back((id, asked));
        id
    }

    fn who<'a>(&'a self, since: &'a str) -> Who<'a> {
        Who { id: self.id, room: self.room, session: self.session.as_deref(), since }
    }
}

/// Why CONNECT was refused.
fn refusal_code(packet: &[u8]) -> Option<String> {
    field(packet, "message").map(|message| message.replace(' ', "_").to_lowercase())
}
