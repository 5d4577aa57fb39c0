//! Coming back: where one was, and reading what was missed since, page by page.
use super::{Asked, Client, Stage};
use crate::cli::load::{
    account::Hearing,
    carrier::Speak,
    mark,
    shared::Shared,
    text::{contains, field, last_number, number},
    trouble::Trouble,
};

impl Client {
    /// The answer to a join: where the room is, and what was missed.
    pub(super) fn joined_with(
        &mut self,
        carrier: &mut dyn Speak,
        answer: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        if shared.plan.dialect.resumes {
            if self.joined == 0 {
                self.epoch = field(answer, "epoch");
                self.position = number(answer, "head").unwrap_or(0);
            } else {
                return self.caught_up(carrier, answer, shared);
            }
        }
        self.is_in(carrier, shared)
    }

    /// A page of what was missed; asks for the next if it was not all.
    pub(super) fn caught_up(
        &mut self,
        carrier: &mut dyn Speak,
        answer: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Trouble> {
        if contains(answer, "\"reset\":true") {
            shared.tally.error("reset");
            self.stay.forget_position();
        }
        if contains(answer, "\"truncated\":true") {
            shared.tally.error("truncated");
        }
        let mut begin = 0;
        while let Some((mark, at)) = shared.words.marks.find(&answer[begin..]) {
            let at = begin + at;
            if u32::from(mark.room) == self.room {
                match self.stay.hear(&mark, false, None) {
                    Hearing::New | Hearing::Reordered => shared.tally.caught_up += 1,
                    // A page may overlap with what was heard; nobody sees it twice.
                    Hearing::Doubled | Hearing::Old => {}
                }
                // Its number stands before it; what follows may be somebody else's.
                self.last = last_number(&answer[..at], "seq").map(|number| (number, mark));
            }
            begin = at + mark::LENGTH;
        }
        let read = last_number(answer, "seq");
        let upto = number(answer, "upto").or(read).unwrap_or(0);
        self.position = self.position.max(upto);
        let more = contains(answer, "\"has_more\":true") || contains(answer, "\"more_after\":true");
        if more && shared.words.pages() {
            let ack = self.ask(Asked::Page);
            let mut packet = Vec::new();
            shared.words.page(&self.who(""), ack, self.position, &mut packet);
            return carrier.speak(&packet);
        }
        if self.stage == Stage::Joining { self.is_in(carrier, shared) } else { Ok(()) }
    }

    /// The position to resume from.
    pub(super) fn since(&self, shared: &Shared) -> String {
        let mut since = format!("{{\"seq\":{}", self.position);
        if let Some(epoch) = &self.epoch {
            since += ",\"epoch\":";
            since += &serde_json::Value::from(epoch.as_str()).to_string();
        }
        if let Some((_, last)) = self.last.filter(|(position, _)| *position == self.position) {
            let mut mid = Vec::new();
            shared.words.marks.write(&last, &mut mid);
            since += ",\"mid\":\"";
            since += &String::from_utf8_lossy(&mid);
            since.push('"');
        }
        since.push('}');
        since
    }
}
