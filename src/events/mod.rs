//! Everything a client may ask, one file each, named as on the wire. An event knows no socket.
pub mod caller;
pub mod direct_list;
pub mod direct_open;
pub mod message_history;
pub mod message_new;
pub mod message_send;
pub mod moderation;
pub mod moderation_ban;
pub mod moderation_kick;
pub mod moderation_list;
pub mod moderation_mute;
pub mod moderation_record;
pub mod moderation_revoke;
pub mod moderation_unban;
pub mod moderation_unmute;
pub mod presence_changed;
pub mod presence_get;
pub mod room_create;
pub mod room_head;
pub mod room_invite;
pub mod room_invited;
pub mod room_join;
pub mod room_leave;
pub mod room_list;
pub mod room_me;
pub mod room_members;
pub mod room_removed;
pub mod room_reset;
pub mod room_roles;
pub mod room_uninvite;
pub mod room_update;
pub mod say;
pub mod session_expiring;
pub mod session_ready;
pub mod session_refresh;
pub mod session_rename;
pub mod system_ping;
pub mod typing;
pub mod typing_start;
pub mod typing_stop;

use std::future::Future;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use self::caller::Caller;
use crate::{domain::trace::TraceParent, error::Result, state::AppState};

/// One thing a client may ask, from its wire name to its effect. If it decodes, it is valid.
pub trait ClientEvent: DeserializeOwned + JsonSchema + Send + 'static {
    const NAME: &'static str;
    type Ack: Serialize + JsonSchema + Send;
    /// Whether a client that comes back asks it of all its rooms in one breath.
    const IS_ASKED_AT_ONCE: bool = false;

    /// Where in a trace of the client's it was asked.
    fn traceparent(&self) -> Option<&TraceParent> {
        None
    }

    fn handle(
        self,
        caller: &Caller,
        app: &AppState,
    ) -> impl Future<Output = Result<Answer<Self::Ack>>> + Send;
}

/// What the server tells without being asked.
pub trait ServerEvent: Serialize + JsonSchema {
    const NAME: &'static str;
}

/// The answer, and what may begin only once it is on its way: a join's ack precedes its live feed.
pub struct Answer<Ack> {
    pub ack: Ack,
    pub after: Option<Box<dyn FnOnce() + Send>>,
}

impl<Ack> Answer<Ack> {
    pub fn then(ack: Ack, after: impl FnOnce() + Send + 'static) -> Self {
        Self { ack, after: Some(Box::new(after)) }
    }
}

impl<Ack> From<Ack> for Answer<Ack> {
    fn from(ack: Ack) -> Self {
        Self { ack, after: None }
    }
}

/// An ack that says nothing but ok.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Done {}
