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
