//! The dialects one need not spell out.
use clap::ValueEnum;

use super::plan::Dialect;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// Hubbub's own events on /chat, with acks, resuming by session and position.
    Hubbub,
    /// The tutorials' `chat message` on /, which everybody hears and nobody acknowledges.
    Classic,
    /// Any other: say what it takes with the options below.
    Generic,
}

impl Preset {
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Hubbub => hubbub(),
            Self::Classic => Dialect {
                send_event: "chat message".to_owned(),
                send: r#""{mid} {pad}""#.to_owned(),
                deliver_event: "chat message".to_owned(),
                ..plain()
            },
            Self::Generic => plain(),
        }
    }
}

/// What Hubbub's CONNECT holds where it asks for tokens.
pub(super) const WITH_TOKEN: &str = r#"{"name":"{name}","token":"{token}"}"#;

fn hubbub() -> Dialect {
    Dialect {
        namespace: "/chat".to_owned(),
        auth: r#"{"name":"{name}"}"#.to_owned(),
        auth_again: r#"{"name":"{name}","session":"{session}"}"#.to_owned(),
        join_event: "room:join".to_owned(),
        join: r#"{"room":"{room}"}"#.to_owned(),
        join_again: r#"{"room":"{room}","since":{since},"limit":200}"#.to_owned(),
        page_event: "message:history".to_owned(),
        page: r#"{"room":"{room}","after":{n},"limit":200}"#.to_owned(),
        send_event: "message:send".to_owned(),
        send: r#"{"room":"{room}","mid":"{mid}","text":"{pad}"}"#.to_owned(),
        deliver_event: "message:new".to_owned(),
        session_event: "session:ready".to_owned(),
        acks: true,
        refusal: r#""ok":false"#.to_owned(),
        position: "seq".to_owned(),
        resumes: true,
    }
}

fn plain() -> Dialect {
    Dialect {
        namespace: "/".to_owned(),
        auth: String::new(),
        auth_again: String::new(),
        join_event: String::new(),
        join: r#""{room}""#.to_owned(),
        join_again: r#""{room}""#.to_owned(),
        page_event: String::new(),
        page: String::new(),
        send_event: "message".to_owned(),
        send: r#"{"room":"{room}","mid":"{mid}","text":"{pad}"}"#.to_owned(),
        deliver_event: "message".to_owned(),
        session_event: String::new(),
        acks: false,
        refusal: r#""ok":false"#.to_owned(),
        position: String::new(),
        resumes: false,
    }
}
