//! Our packets as they stand on a WebSocket: one text frame each, encoded once however many are
//! sent it.
use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use crate::rooms::{Batch, Frame};

/// A close frame with the code 1008, "policy violation" (RFC 6455).
pub(super) const POLICY_VIOLATION: [u8; 4] = [0x88, 2, 0x03, 0xf0];

/// The two namespaces that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// `/`: the tutorials'.
    Root,
    /// `/chat`: our own.
    Chat,
}

impl Namespace {
    pub(super) fn of(name: &str) -> Self {
        if name == "/chat" { Self::Chat } else { Self::Root }
    }

    /// What stands between a packet's type and the rest of it.
    fn prefix(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Chat => "/chat,",
        }
    }
}

/// `42/chat,["event",arg,…]`, encoded when first asked for.
pub(super) fn event(namespace: Namespace, frame: &Frame) -> &Bytes {
    frame.encoded[namespace as usize].get_or_init(|| {
        let name = serde_json::to_string(&frame.event).unwrap_or_default();
        let args: usize = frame.args.iter().map(|arg| arg.get().len() + 1).sum();
        let mut text = String::with_capacity(10 + name.len() + args);
        text.push_str("42");
        text.push_str(namespace.prefix());
        text.push('[');
        text.push_str(&name);
        for arg in frame.args.iter() {
            text.push(',');
            text.push_str(arg.get());
        }
        text.push(']');
        framed(&text)
    })
}

/// All of them, one after the other.
pub(super) fn events(namespace: Namespace, batch: &Batch) -> &Bytes {
    batch.joined[namespace as usize].get_or_init(|| {
        let packets = || batch.frames.iter().map(|frame| event(namespace, frame));
        let mut joined = BytesMut::with_capacity(packets().map(Bytes::len).sum());
        for packet in packets() {
            joined.put_slice(packet);
        }
        joined.freeze()
    })
}

/// `43/chat,7[payload]`.
pub(super) fn ack(namespace: Namespace, id: i64, payload: &str) -> Bytes {
    let mut text = String::with_capacity(32 + payload.len());
    text.push_str("43");
    text.push_str(namespace.prefix());
    write!(text, "{id}[{payload}]").ok();
    framed(&text)
}

/// The text of a frame: all behind its header.
pub(super) fn text(frame: &Bytes) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// A whole text frame, as a server sends it.
fn framed(text: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(10 + text.len());
    frame.put_u8(0x81);
    if let Ok(short @ 0..=125) = u8::try_from(text.len()) {
        frame.put_u8(short);
    } else if let Ok(middle) = u16::try_from(text.len()) {
        frame.put_u8(126);
        frame.put_u16(middle);
    } else {
        frame.put_u8(127);
        frame.put_u64(text.len() as u64);
    }
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_what_the_library_would_write() {
        let frame = Frame::new("message:new", &serde_json::json!({"text": "hé"}));
        let packet = event(Namespace::Chat, &frame);

        assert_eq!(text(packet), "42/chat,[\"message:new\",{\"text\":\"hé\"}]".as_bytes());
        assert_eq!(packet[..2], [0x81, u8::try_from(text(packet).len()).unwrap()]);
        assert_eq!(text(event(Namespace::Root, &frame))[..4], *b"42[\"");
        assert_eq!(text(&ack(Namespace::Chat, 7, "{}")), b"43/chat,7[{}]");
        assert_eq!(text(&ack(Namespace::Root, 0, "{}")), b"430[{}]");
    }

    #[test]
    fn a_header_says_the_length_in_as_few_bytes_as_it_takes() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let packet = framed(&"x".repeat(length));

            assert_eq!(packet.len(), length + header);
            assert_eq!(text(&packet).len(), length);
        }
    }
}
