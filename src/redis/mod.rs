//! How this process reaches Redis: two connections, their return after a loss, and what is said
//! about a server that does not keep what it is given.
//!
//! fred's defaults that would hurt, and its errors, are dealt with here and nowhere else.
mod checks;
mod failure;
mod health;
mod link;
mod replicated;
mod script;
mod settings;

pub use failure::refusal;
pub use link::Link;
pub use replicated::run_replicated;
pub use script::Script;

/// The channel all nodes hear.
pub const GLOBAL_CHANNEL: &str = "{g}";

/// The channel of a room, which is also the hash tag of its keys: a script may only tell on the
/// slot it writes in.
pub fn room_channel(room: &str) -> String {
    format!("{{r:{room}}}")
}

/// The room of a channel.
pub fn room_of_channel(channel: &str) -> Option<&str> {
    channel.strip_prefix("{r:")?.strip_suffix('}')
}
