//! The namespace `/chat`: our own protocol, and the list of everything a client may ask.
pub(super) mod connect;
pub(super) mod deliver;

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    outbox::SocketOutbox,
    pipeline::{Conversation, Reply},
    protocol::Described,
};
use crate::{
    domain::message::TOO_LONG,
    error::{Error, Result},
    events::{
        Answer, Caller, ClientEvent, direct_list::DirectList, direct_open::DirectOpen,
        message_history::MessageHistory, message_send::MessageSend, moderation_ban::ModerationBan,
        moderation_kick::ModerationKick, moderation_list::ModerationList,
        moderation_mute::ModerationMute, moderation_record::ModerationRecord,
        moderation_revoke::ModerationRevoke, moderation_unban::ModerationUnban,
        moderation_unmute::ModerationUnmute, presence_get::PresenceGet, room_create::RoomCreate,
        room_invite::RoomInvite, room_join::RoomJoin, room_leave::RoomLeave, room_list::RoomList,
        room_members::RoomMembers, room_roles::RoomRoles, room_uninvite::RoomUninvite,
        room_update::RoomUpdate, session_refresh::SessionRefresh, session_rename::SessionRename,
        system_ping::SystemPing, typing_start::TypingStart, typing_stop::TypingStop,
    },
    state::AppState,
    telemetry::{Label, traces},
};

/// Every event a client may send: one row each.
macro_rules! client_events {
    ($($event:ty),+ $(,)?) => {
        /// The wire names of all client events.
        pub const CLIENT_EVENTS: &[&str] = &[$(<$event as ClientEvent>::NAME),+];

        /// All client events, for the protocol page.
        pub(super) fn client_events() -> Vec<Described> {
            vec![$(Described::asked::<$event>()),+]
        }

        /// How each of them refuses these arguments.
        #[cfg(any(test, fuzzing))]
        pub(super) fn refusals(args: &[&RawValue]) -> Vec<Error> {
            [$(decode::<$event>(args).err()),+].into_iter().flatten().collect()
        }

        async fn dispatch(event: &str, args: &[&RawValue], reply: Reply, native: &Native) {
            match event {
                $(<$event as ClientEvent>::NAME => native.run::<$event>(args, reply).await,)+
                _ => {
                    reply.refuse(&Error::UnknownEvent);
                    native.caller.buckets.unknown_event(&native.caller.connection);
                }
            }
        }
    };
}

client_events! {
    RoomJoin,
    RoomLeave,
    RoomList,
    RoomMembers,
    RoomRoles,
    RoomCreate,
    RoomInvite,
    RoomUninvite,
    DirectOpen,
    DirectList,
    MessageSend,
    MessageHistory,
    TypingStart,
    TypingStop,
    PresenceGet,
    SessionRename,
    SessionRefresh,
    RoomUpdate,
    ModerationKick,
    ModerationBan,
    ModerationUnban,
    ModerationMute,
    ModerationUnmute,
    ModerationRevoke,
    ModerationList,
    ModerationRecord,
    SystemPing,
}

/// The native protocol, spoken with one socket.
pub(super) struct Native {
    caller: Caller,
    app: AppState,
    /// The outbox's link keeps the session's account while the socket lives.
    _outbox: Arc<SocketOutbox>,
}

#[async_trait]
impl Conversation for Native {
    async fn hear(&self, event: &str, args: &[&RawValue], reply: Reply) {
        dispatch(event, args, reply, self).await;
    }

    async fn depart(&self) {
        let connection = &self.caller.connection;
        for room in connection.rooms() {
            if self.caller.buckets.stops_typing(&room) {
                self.app.rooms.tell_typing(&room, self.caller.person(), false).await.ok();
            }
        }
        self.app.presence.leave_all(&connection.id).await;
        // Last: as long as it is in the registry, the drain waits for it.
        self.app.rooms.remove(connection);
        self.app.metrics.sessions.add(-1, &[Label::new("namespace", "chat")]);
    }
}

impl Native {
    /// The path of every request: decode, handle, answer, and then what waits for the answer.
    async fn run<E: ClientEvent>(&self, args: &[&RawValue], reply: Reply) {
        let since = self.app.traces.now();
        let event = decode::<E>(args);
        let client = event.as_ref().ok().and_then(E::traceparent);
        let mut span = self.app.traces.begin(E::NAME, since, client);
        let refused = span.around(self.answer(event, since, reply)).await.err();
        if let Some(code) = refused {
            span.failed(code);
        }
    }

    /// `Err`: the code of the refusal.
    async fn answer<E: ClientEvent>(
        &self,
        event: Result<E>,
        since: Option<SystemTime>,
        reply: Reply,
    ) -> Result<(), &'static str> {
        traces::part_since("decode", since);
        let handled = match event {
            Ok(event) => event.handle(&self.caller, &self.app).await,
            Err(error) => Err(error),
        };
        match handled {
            Ok(Answer { ack, after }) => {
                reply.grant(&ack);
                if let Some(after) = after {
                    after();
                }
                Ok(())
            }
            Err(error) => {
                reply.refuse(&error);
                let Caller { buckets, connection, .. } = &self.caller;
                buckets.hold(&error, connection, E::IS_ASKED_AT_ONCE);
                Err((&error).into())
            }
        }
    }
}

/// If it decodes, it is valid (invariant I2). No argument is an empty one.
fn decode<E: ClientEvent>(args: &[&RawValue]) -> Result<E> {
    let payload = match args {
        [] => "{}",
        [payload] => payload.get(),
        _ => return Err(Error::bad_request("an event takes one argument")),
    };
    if !payload.starts_with('{') {
        return Err(Error::bad_request("the argument is an object"));
    }
    let mut json = serde_json::Deserializer::from_str(payload);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = error.path().to_string();
        let message = error.into_inner().to_string();
        let field = field(&at, &message);
        if message.starts_with(TOO_LONG.0) {
            return Error::TooLarge { message: TOO_LONG.0.to_owned(), field };
        }
        Error::BadRequest { message: short(&message), field }
    })
}

/// The longest piece of what a client sent that is sent back, in characters.
const LONGEST_ECHO: usize = 64;

/// What the path leads to; a missing field is named in the text only. An unknown one is as long as
/// the client made it.
fn field(path: &str, message: &str) -> Option<String> {
    let path = if path == "." || path == "?" { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let field = match missing {
        Some(missing) if path.is_empty() => missing.to_owned(),
        Some(missing) => format!("{path}.{missing}"),
        None => path.chars().take(LONGEST_ECHO).collect(),
    };
    (!field.is_empty()).then_some(field)
}

/// Nothing a client sent is sent back at length. What it sent stands in quotes, before what was
/// expected, which is ours.
fn short(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let ours = message.rfind(", expected ").max(message.rfind(", there are no fields"));
    let (theirs, ours) = message.split_at(ours.unwrap_or(message.len()));
    match theirs.char_indices().nth(LONGEST_ECHO) {
        Some((end, _)) if theirs.contains(['"', '`']) => format!("{}…{ours}", &theirs[..end]),
        _ => message.to_owned(),
    }
}

/// What a client may say when it connects.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    device: Option<String>,
    /// Where in a trace of the client's it comes in. One that cannot be read is no reason not to
    /// let anybody in.
    #[serde(default)]
    traceparent: Option<String>,
}
