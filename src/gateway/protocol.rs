//! The protocol page, written from the types: every event, payload, ack and code. `docs/protocol.md`
//! is its output, `docs/protocol.json` the same for programs, and a test fails when they differ.
use std::fmt::Write;

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use super::socket::client_events;
use crate::{
    error::{Error, Outcome, Refusal},
    events::{
        ClientEvent, ServerEvent, message_new::MessageNew, presence_changed::PresenceChanged,
        room_head::RoomHead, room_invited::RoomInvited, room_me::RoomMe, room_removed::RoomRemoved,
        room_reset::RoomReset, session_expiring::SessionExpiring, session_ready::SessionReady,
        typing::Typing,
    },
};

/// An event as the page shows it.
pub struct Described {
    pub name: &'static str,
    pub payload: Schema,
    /// Only what a client asks is answered.
    pub ack: Option<Schema>,
}

impl Described {
    pub(super) fn asked<E: ClientEvent>() -> Self {
        Self { name: E::NAME, payload: schema_for!(E), ack: Some(schema_for!(E::Ack)) }
    }

    fn told<E: ServerEvent>() -> Self {
        Self { name: E::NAME, payload: schema_for!(E), ack: None }
    }

    /// An event whose payload has no type of its own in `events`.
    fn noticed<P: JsonSchema>(name: &'static str) -> Self {
        Self { name, payload: schema_for!(P), ack: None }
    }
}

/// Everything the server tells without being asked.
pub fn server_events() -> Vec<Described> {
    vec![
        Described::told::<SessionReady<'_>>(),
        Described::told::<MessageNew<'_>>(),
        Described::told::<PresenceChanged<'_>>(),
        Described::told::<Typing<'_>>(),
        Described::told::<RoomReset<'_>>(),
        Described::told::<RoomHead<'_>>(),
        Described::told::<RoomInvited<'_>>(),
        Described::told::<RoomMe<'_>>(),
        Described::told::<RoomRemoved<'_>>(),
        Described::told::<SessionExpiring>(),
        Described::noticed::<super::Notice>(super::Notice::NAME),
        Described::noticed::<Refusal<'_>>("error:notice"),
    ]
}

const HEAD: &str = "\
# The native protocol

<!-- Written from the types by `make protocol`; a test fails when they differ. Do not edit. -->

Namespace `/chat`. A stock `socket.io-client` of version 3 or 4 needs nothing of ours:

```js
const socket = io(\"http://localhost:3000/chat\", {
  auth: (cb) => cb({ name: \"ada\", session: localStorage.session }),
});
socket.on(\"session:ready\", ({ session }) => { localStorage.session = session; });
```

`auth` is `{name?, token?, session?, device?, traceparent?}`. Where guests come in (`auth.mode = guest`)
everything in it is optional: `session` is what `session:ready` brought the last time, with it one is
the same user again, without it a new guest; and `token` is the secret that makes one an admin. Where
tokens are asked for (`auth.mode = jwt`) `token` is one, `session` does not count, and `name` only if
the token brings none. A refusal at the door is a `connect_error` whose `message` is the code:
`unauthorized` (a session or token that is not valid here; to who brings neither: this server asks
for a token), `banned`, `limit_exceeded` (too many connections), `bad_request`, `reserved` or
`unavailable`.

Every client event is answered, if it has an ack callback: `{ok: true, …}` with the fields below, or
`{ok: false, error}` with `error` as in `error:notice`. A refusal that nobody waits for comes as one
`error:notice` a second. An event is at most 64 KiB, on either transport.
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## What a client may ask\n");
    for event in &client_events() {
        describe(&mut page, event);
    }
    page.push_str("\n## What the server tells\n");
    for event in &server_events() {
        describe(&mut page, event);
    }
    page.push_str("\n## Refusals\n\nCodes are stable, texts are not.\n\n");
    page.push_str("| code | says | trying again helps |\n|---|---|---|\n");
    for error in samples() {
        let refusal = error.refusal();
        let again = if refusal.retryable { "yes" } else { "no" };
        line(&mut page, &[&format!("`{}`", refusal.code), &refusal.message, again]);
    }
    page
}

/// Every event's JSON Schemas by name; the types of the TypeScript client are made from them.
pub fn schemas() -> Value {
    let named = |events: Vec<Described>| -> Map<String, Value> {
        let schemas = |event: Described| match event.ack {
            Some(ack) => json!({ "payload": event.payload, "ack": ack }),
            None => json!({ "payload": event.payload }),
        };
        events.into_iter().map(|event| (event.name.to_owned(), schemas(event))).collect()
    };
    let codes: Vec<&str> = crate::error::Code::iter().map(Into::into).collect();
    json!({ "client": named(client_events()), "server": named(server_events()), "codes": codes })
}

/// One of each refusal.
fn samples() -> Vec<Error> {
    crate::error::Code::iter().map(sample).collect()
}

fn sample(code: crate::error::Code) -> Error {
    use crate::error::Code as C;
    let (field, wait) = (None, 1_000);
    match code {
        C::BadRequest => Error::BadRequest {
            message: "the payload is not what the event takes; `field` says where".to_owned(),
            field,
        },
        C::UnknownEvent => Error::UnknownEvent,
        C::Unauthorized => Error::Unauthorized("nothing vouches for whoever asks"),
        C::Forbidden => Error::Forbidden("one may not do this"),
        C::Banned => Error::Banned { retry_after_ms: None },
        C::Muted => Error::Muted { retry_after_ms: None },
        C::SlowMode => Error::SlowMode { retry_after_ms: wait },
        C::NotMember => Error::NotMember,
        C::NotFound => Error::NotFound,
        C::Conflict => Error::Conflict("there is such a room already, or somebody was quicker"),
        C::IdempotencyConflict => Error::IdempotencyConflict,
        C::TooLarge => Error::TooLarge {
            message: "a text or an event is larger than allowed".to_owned(),
            field,
        },
        C::RateLimited => Error::RateLimited { retry_after_ms: wait },
        C::LimitExceeded => Error::LimitExceeded("one has as many of something as one may have"),
        C::Reserved => Error::Reserved,
        C::Expired => Error::Expired,
        C::Unavailable => Error::unavailable(Outcome::Unknown),
        C::Draining => Error::Draining,
        C::Internal => Error::Internal(anyhow::anyhow!("")),
    }
}

fn describe(page: &mut String, event: &Described) {
    let Some(payload) = event.payload.as_object() else { return };
    put(page, &format!("\n### `{}`\n\n{}\n", event.name, text(payload)));
    table(page, "payload", payload, payload);
    if let Some(ack) = event.ack.as_ref().and_then(Schema::as_object) {
        table(page, "ack", ack, ack);
    }
}

/// The fields of an object, or of each of several it can be.
fn table(page: &mut String, what: &str, object: &Map<String, Value>, root: &Map<String, Value>) {
    if let Some(Value::Array(kinds)) = object.get("anyOf").or_else(|| object.get("oneOf")) {
        for kind in kinds.iter().filter_map(Value::as_object) {
            table(page, &format!("{what}, either"), kind, root);
        }
        return;
    }
    let Some(Value::Object(fields)) = object.get("properties") else {
        put(page, &format!("\n*{what}: nothing*\n"));
        return;
    };
    put(page, &format!("\n| {what} | type | |\n|---|---|---|\n"));
    let required = object.get("required").and_then(Value::as_array);
    for (name, field) in fields {
        let needed = required.is_some_and(|names| names.iter().any(|n| n == name));
        let field = field.as_object();
        let says = field.map(|field| meaning(field, root)).unwrap_or_default();
        let optional = if needed { "" } else { "?" };
        let kind = field.map(|f| kind(f, root)).unwrap_or_default();
        line(page, &[&format!("`{name}`{optional}"), &kind, &says]);
    }
}

/// A type in a few letters.
fn kind(schema: &Map<String, Value>, root: &Map<String, Value>) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let target = root.get("$defs").and_then(|defs| defs.get(name)).and_then(Value::as_object);
        return target.map_or_else(|| name.to_owned(), |target| named(name, target, root));
    }
    if let Some(Value::Array(any)) = schema.get("anyOf") {
        let kinds: Vec<String> =
            any.iter().filter_map(Value::as_object).map(|s| kind(s, root)).collect();
        return kinds.join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            let items = schema.get("items").and_then(Value::as_object);
            format!("[{}]", items.map(|items| kind(items, root)).unwrap_or_default())
        }
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// Small objects are shown by their fields, choices by their values, texts as what they are.
fn named(name: &str, schema: &Map<String, Value>, root: &Map<String, Value>) -> String {
    let values = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|v| v.get("const").unwrap_or(v).as_str())
            .map(|v| format!("`{v}`"))
            .collect()
    };
    if let Some(list) = schema.get("enum").or_else(|| schema.get("oneOf")) {
        return values(list).join(", ");
    }
    match schema.get("properties") {
        Some(Value::Object(fields)) if name != "MessageNew" => {
            let required = schema.get("required").and_then(Value::as_array);
            let fields = fields.iter().map(|(field, schema)| {
                let needed = required.is_some_and(|names| names.iter().any(|n| n == field));
                let kind = schema.as_object().map(|s| kind(s, root)).unwrap_or_default();
                format!("{field}{}: {kind}", if needed { "" } else { "?" })
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Some(_) => "message, as in `message:new`".to_owned(),
        None => kind(schema, root),
    }
}

/// What a field means: its own words, or else those of its type.
fn meaning(field: &Map<String, Value>, root: &Map<String, Value>) -> String {
    let own = text(field);
    let target = field
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.get("$defs")?.get(reference.rsplit('/').next()?)?.as_object());
    target.filter(|_| own.is_empty()).map_or(own, text)
}

fn text(schema: &Map<String, Value>) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

fn line(page: &mut String, cells: &[&str]) {
    put(page, &format!("| {} |\n", cells.join(" | ")));
}

fn put(page: &mut String, text: &str) {
    page.write_str(text).expect("a String takes every text");
}
