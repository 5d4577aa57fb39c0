//! A dialect made ready: packets to write and beginnings to recognise, without parsing any JSON.
use memchr::memmem::Finder;

use super::{
    mark::{Mark, Marks},
    plan::{Dialect, Plan},
    template::{Slot, Template},
};

pub(super) struct Words {
    pub(super) marks: Marks,
    /// How an event of our namespace that is a delivery begins.
    pub(super) delivery: Vec<u8>,
    pub(super) session: Option<Vec<u8>>,
    position: Option<Finder<'static>>,
    refusal: Finder<'static>,
    /// `/chat,`; empty in the main namespace.
    namespace: String,
    auth: Template,
    auth_again: Template,
    join: Option<Template>,
    join_again: Option<Template>,
    page: Option<Template>,
    send: Template,
    rooms: Vec<String>,
    tokens: Vec<String>,
    pad: Vec<u8>,
    run: String,
    /// What is added to the run's clock to be milliseconds since 1970.
    epoch_ms: u64,
}

/// What a connection knows of itself when it writes.
pub(super) struct Who<'a> {
    pub(super) id: u32,
    pub(super) room: u32,
    pub(super) session: Option<&'a str>,
    pub(super) since: &'a str,
}

impl Words {
    pub(super) fn new(plan: &Plan) -> Self {
        let dialect = &plan.dialect;
        let namespace = match dialect.namespace.as_str() {
            "" | "/" => String::new(),
            name => format!("{name},"),
        };
        let event = |name: &str| format!("42{namespace}[{}", quoted(name)).into_bytes();
        let call = |name: &str, arguments: &str| {
            (!name.is_empty()).then(|| Template::new(&arguments_after(name, arguments)))
        };
        Self {
            marks: Marks::new(&plan.run),
            delivery: event(&dialect.deliver_event),
            session: (!dialect.session_event.is_empty()).then(|| event(&dialect.session_event)),
            position: (!dialect.position.is_empty())
                .then(|| Finder::new(&format!("{}:", quoted(&dialect.position))).into_owned()),
            refusal: Finder::new(&dialect.refusal).into_owned(),
            auth: Template::new(&dialect.auth),
            auth_again: Template::new(&dialect.auth_again),
            join: call(&dialect.join_event, &dialect.join),
            join_again: call(&dialect.join_event, &dialect.join_again),
            page: call(&dialect.page_event, &dialect.page),
            send: Template::new(&arguments_after(&dialect.send_event, &dialect.send)),
            rooms: (0..plan.rooms.max(1)).map(|room| plan.room_named(room)).collect(),
            tokens: plan.tokens.clone(),
            pad: pad(plan.bytes, dialect),
            run: plan.run.clone(),
            epoch_ms: crate::clock::now_ms()
                .saturating_sub(super::clock::now_us().saturating_sub(plan.zero_us) / 1_000),
            namespace,
        }
    }

    /// CONNECT to the namespace.
    pub(super) fn enter(&self, who: &Who<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"40");
        out.extend_from_slice(self.namespace.as_bytes());
        let template = if who.session.is_some() { &self.auth_again } else { &self.auth };
        self.fill(Some(template), who, None, out);
    }

    pub(super) fn joins(&self) -> bool {
        self.join.is_some()
    }

    pub(super) fn pages(&self) -> bool {
        self.page.is_some()
    }

    pub(super) fn join(&self, who: &Who<'_>, ack: u32, out: &mut Vec<u8>) {
        let template = if who.since.is_empty() { &self.join } else { &self.join_again };
        self.begin(Some(ack), out);
        self.fill(template.as_ref(), who, None, out);
    }

    /// Asks for what follows this position.
    pub(super) fn page(&self, who: &Who<'_>, ack: u32, after: u64, out: &mut Vec<u8>) {
        let number = u32::try_from(after).unwrap_or(u32::MAX);
        let after = Mark { number, stream: 0, room: 0, slot: 0, due: 0 };
        self.begin(Some(ack), out);
        self.fill(self.page.as_ref(), who, Some(&after), out);
    }

    pub(super) fn send(&self, who: &Who<'_>, ack: Option<u32>, mark: &Mark, out: &mut Vec<u8>) {
        self.begin(ack, out);
        self.fill(Some(&self.send), who, Some(mark), out);
    }

    /// The server's own number of a message, after its mark or before it.
    pub(super) fn position_in(&self, text: &[u8]) -> Option<u64> {
        let finder = self.position.as_ref()?;
        let at = finder.find(text)? + finder.needle().len();
        Some(super::text::digits(&text[at..]))
    }

    pub(super) fn is_refusal(&self, ack: &[u8]) -> bool {
        !self.refusal.needle().is_empty() && self.refusal.find(ack).is_some()
    }

    /// What follows a packet's type, if it is of our namespace: `[…]`, `17[…]`.
    pub(super) fn rest_of<'t>(&self, packet: &'t [u8]) -> Option<&'t [u8]> {
        packet.get(2..)?.strip_prefix(self.namespace.as_bytes())
    }

    fn begin(&self, ack: Option<u32>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"42");
        out.extend_from_slice(self.namespace.as_bytes());
        if let Some(ack) = ack {
            out.extend_from_slice(ack.to_string().as_bytes());
        }
    }

    fn fill(
        &self,
        template: Option<&Template>,
        who: &Who<'_>,
        mark: Option<&Mark>,
        out: &mut Vec<u8>,
    ) {
        let Some(template) = template else { return };
        template.write(out, |slot, out| match (slot, mark) {
            (Slot::Room, _) => out.extend_from_slice(self.rooms[who.room as usize].as_bytes()),
            (Slot::Pad, _) => out.extend_from_slice(&self.pad),
            (Slot::Name, _) => {
                out.extend_from_slice(format!("load {} {}", self.run, who.id).as_bytes());
            }
            (Slot::Session, _) => out.extend_from_slice(who.session.unwrap_or("").as_bytes()),
            (Slot::Since, _) => out.extend_from_slice(who.since.as_bytes()),
            (Slot::Number, Some(mark)) => {
                out.extend_from_slice(mark.number.to_string().as_bytes());
            }
            (Slot::Mid, Some(mark)) => self.marks.write(mark, out),
            (Slot::Time, Some(mark)) => {
                let ms = self.epoch_ms + mark.due / 1_000;
                out.extend_from_slice(ms.to_string().as_bytes());
            }
            (Slot::Token, _) => {
                let turn = who.id as usize % self.tokens.len().max(1);
                out.extend_from_slice(self.tokens.get(turn).map_or(b"", |token| token.as_bytes()));
            }
            (Slot::Number | Slot::Mid | Slot::Time, None) => {}
        });
    }
}

/// `["event",` and the arguments, which may be none or several.
fn arguments_after(event: &str, arguments: &str) -> String {
    match arguments.trim() {
        "" => format!("[{}]", quoted(event)),
        arguments => format!("[{},{arguments}]", quoted(event)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What fills a message's text up to its size. If the mark is in the text too, it counts.
fn pad(bytes: usize, dialect: &Dialect) -> Vec<u8> {
    let marked = dialect.send.contains("{mid} {pad}") || dialect.send.contains("{pad} {mid}");
    let length = if marked { bytes.saturating_sub(super::mark::LENGTH + 1) } else { bytes };
    b"load-testing-".iter().copied().cycle().take(length.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::plan::tests::plan, *};

    const WHO: Who<'_> = Who { id: 7, room: 1, session: None, since: "" };
    const MARK: Mark = Mark { number: 3, stream: 0, room: 1, slot: 0, due: 5_000 };

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_client_of_ours_says_what_the_protocol_wants() {
        let words = Words::new(&plan(4, 2, 1, 1));

        assert_eq!(written(|out| words.enter(&WHO, out)), r#"40/chat,{"name":"load abc123 7"}"#);
        let again = Who { session: Some("s1"), since: r#"{"seq":9}"#, ..WHO };
        assert_eq!(
            written(|out| words.enter(&again, out)),
            r#"40/chat,{"name":"load abc123 7","session":"s1"}"#
        );
        assert_eq!(
            written(|out| words.join(&again, 2, out)),
            r#"42/chat,2["room:join",{"room":"load-abc123-1","since":{"seq":9},"limit":200}]"#
        );
        let said = written(|out| words.send(&WHO, Some(5), &MARK, out));
        assert!(
            said.starts_with(r#"42/chat,5["message:send",{"room":"load-abc123-1","mid":"ldabc123"#)
        );
        assert_eq!(words.marks.find(said.as_bytes()).unwrap().0, MARK);
        let text = said.split(r#""text":""#).nth(1).unwrap();
        assert_eq!(text.find('"'), Some(100), "as many bytes as were asked for");
    }

    #[test]
    fn tokens_go_to_connections_by_turns() {
        let dialect =
            Dialect { auth: r#"{"token":"{token}"}"#.to_owned(), ..plan(1, 1, 1, 1).dialect };
        let tokens = ["one", "two", "three"].map(str::to_owned).to_vec();
        let words = Words::new(&Plan { dialect, tokens, ..plan(9, 1, 1, 1) });

        let said = |id| written(|out| words.enter(&Who { id, ..WHO }, out));

        assert_eq!(said(1), r#"40/chat,{"token":"two"}"#);
        assert_eq!(said(4), said(1));
        assert_eq!(said(6), r#"40/chat,{"token":"one"}"#);
    }

    #[test]
    fn a_tutorial_hears_a_text_of_the_size_that_was_asked_for() {
        let dialect = super::super::preset::Preset::Classic.dialect();
        let words = Words::new(&Plan { dialect, ..plan(1, 1, 1, 1) });

        let said = written(|out| words.send(&WHO, None, &MARK, out));

        let text = said.strip_prefix(r#"42["chat message",""#).unwrap().strip_suffix(r#""]"#);
        assert_eq!(text.unwrap().len(), 100);
        assert!(said.as_bytes().starts_with(&words.delivery));
    }

    #[test]
    fn positions_and_refusals_are_read_off_the_wire() {
        let words = Words::new(&plan(1, 1, 1, 1));

        assert_eq!(words.position_in(br#"{"mid":"x","seq":41,"ts":5}"#), Some(41));
        assert_eq!(
            words.rest_of(br#"43/chat,17[{"ok":true}]"#),
            Some(br#"17[{"ok":true}]"#.as_slice())
        );
        assert_eq!(words.rest_of(b"43/admin,1[]"), None);
        assert!(words.is_refusal(br#"1[{"ok":false,"error":{}}]"#));
        assert!(!words.is_refusal(br#"1[{"ok":true}]"#));
    }
}
