//! What the library hands over: every event of a socket goes to its pipe, in the order they are read.
use std::{sync::Arc, time::Instant};

use socketioxide::{
    adapter::LocalAdapter,
    extract::AckSender,
    handler::{FromMessageParts, MessageHandler, Value},
    socket::Socket,
};

use super::{
    outbox::Ack,
    pipeline::{Incoming, Pipe},
};

/// The library would spawn a task per event, and lose their order.
pub(super) struct Inbound(pub(super) Arc<Pipe>);

impl MessageHandler<LocalAdapter, ()> for Inbound {
    fn call(&self, socket: Arc<Socket<LocalAdapter>>, mut value: Value, ack: Option<i64>) {
        let sender = AckSender::from_message_parts(&socket, &mut value, &ack);
        let ack = ack.zip(sender.ok()).map(|(id, sender)| Ack { id, sender });
        let text = match &value {
            Value::Str(text, _) => text.to_string(),
            // Attachments are refused by the parser, so this is not reached by text protocols.
            Value::Bytes(_) => String::new(),
        };
        self.0.push(Incoming { text, ack, asked: Instant::now() });
    }
}
