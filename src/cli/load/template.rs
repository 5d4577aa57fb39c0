//! Texts with placeholders: what a payload looks like, whatever server it is for.

/// A text that is written again for every message.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Room,
    Number,
    Mid,
    Time,
    Pad,
    Name,
    Session,
    Since,
    Token,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Slot(Slot),
}

const SLOTS: [(&str, Slot); 9] = [
    ("{room}", Slot::Room),
    ("{n}", Slot::Number),
    ("{mid}", Slot::Mid),
    ("{ts}", Slot::Time),
    ("{pad}", Slot::Pad),
    ("{name}", Slot::Name),
    ("{session}", Slot::Session),
    ("{since}", Slot::Since),
    ("{token}", Slot::Token),
];

impl Template {
    /// Braces around anything else are text: payloads are JSON.
    pub(super) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let slot = SLOTS.iter().find(|(name, _)| rest.starts_with(name));
            let length = if let Some((name, slot)) = slot {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain).into_bytes()));
                }
                pieces.push(Piece::Slot(*slot));
                name.len()
            } else {
                plain.push(next);
                next.len_utf8()
            };
            rest = &rest[length..];
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into_bytes()));
        }
        Self(pieces)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, mut fill: impl FnMut(Slot, &mut Vec<u8>)) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Slot(slot) => fill(*slot, out),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let template = Template::new(r#"{"room":"{room}","x":{"mid":"{mid}"},"é":{other}}"#);

        let mut out = Vec::new();
        template.write(&mut out, |slot, out| out.extend(format!("<{slot:?}>").bytes()));

        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#"{"room":"<Room>","x":{"mid":"<Mid>"},"é":{other}}"#);
    }
}
