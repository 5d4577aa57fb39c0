//! Follows WebSocket frames in a stream of bytes, either way, so that it is known where one ends.
//! Only there may something be put in that the other writer (or reader) knows nothing of.

/// The longest header: two bytes, eight of length, four of mask.
const LONGEST_HEADER: usize = 14;

/// What was met on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met<'a> {
    /// A frame's header is complete.
    Header(Header),
    /// A piece of a frame's payload.
    Payload(&'a [u8]),
    /// The end of a frame; of a message too, or between two: `is_whole`.
    End { is_whole: bool },
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_control: bool,
    /// It is the last of several.
    pub(super) ends_fragments: bool,
    pub(super) is_empty: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    header: [u8; LONGEST_HEADER],
    have: usize,
    /// Payload bytes still to come.
    left: u64,
    /// Between the fragments of one message only control frames may stand.
    in_message: bool,
}

impl Frames {
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.in_message
    }

    fn header_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        match self.header[1] & 0x7f {
            126 => 2 + 2 + mask,
            127 => 2 + 8 + mask,
            _ => 2 + mask,
        }
    }

    /// How much may be taken without going past the end of the frame.
    pub(super) fn to_end(&self) -> usize {
        if self.left > 0 {
            usize::try_from(self.left).unwrap_or(usize::MAX)
        } else {
            self.header_length() - self.have
        }
    }

    /// Goes on over these bytes.
    pub(super) fn follow<'a>(&mut self, mut bytes: &'a [u8], mut meet: impl FnMut(Met<'a>)) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.to_end()));
            if self.left > 0 {
                self.left -= now.len() as u64;
                meet(Met::Payload(now));
            } else {
                self.header[self.have..self.have + now.len()].copy_from_slice(now);
                self.have += now.len();
                if self.have >= 2 && self.have == self.header_length() {
                    meet(Met::Header(self.complete_header()));
                }
            }
            if self.have == 0 && self.left == 0 {
                meet(Met::End { is_whole: !self.in_message });
            }
            bytes = later;
        }
    }

    fn complete_header(&mut self) -> Header {
        let long = |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b));
        self.left = match self.header[1] & 0x7f {
            126 => long(&self.header[2..4]),
            127 => long(&self.header[2..10]),
            short => u64::from(short),
        };
        let (is_final, opcode) = (self.header[0] & 0x80 != 0, self.header[0] & 0x0f);
        let header = Header {
            is_control: opcode >= 8,
            ends_fragments: is_final && opcode == 0,
            is_empty: self.left == 0,
        };
        if !header.is_control {
            self.in_message = !is_final;
        }
        self.have = 0;
        header
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gateway) const MASKED: u8 = 0x80;

    pub(in crate::gateway) fn frame(first: u8, mask: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..=125 => frame.push(mask | u8::try_from(payload).unwrap()),
            126..=65_535 => {
                frame.push(mask | 0x7e);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        if mask == MASKED {
            frame.extend([7; 4]);
        }
        frame.extend(vec![0; payload]);
        frame
    }

    #[test]
    fn frames_of_every_length_end_where_they_end_however_they_are_cut() {
        for (cut, mask) in [1, 2, 3, 7, 4_096].into_iter().flat_map(|c| [(c, 0), (c, MASKED)]) {
            let mut frames = Frames::default();
            for payload in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000] {
                let (mut ends, mut met) = (0, 0);
                let bytes = frame(0x81, mask, payload);
                for (n, piece) in bytes.chunks(cut).enumerate() {
                    assert_eq!(frames.is_between(), n == 0, "{payload} bytes by {cut}");
                    frames.follow(piece, |what| match what {
                        Met::Header(_) => {}
                        Met::Payload(piece) => met += piece.len(),
                        Met::End { .. } => ends += 1,
                    });
                }
                assert!(frames.is_between(), "{payload} bytes by {cut}");
                assert_eq!((met, ends), (payload, 1), "{payload} bytes by {cut}");
            }
        }
    }

    #[test]
    fn nothing_is_put_between_the_fragments_of_a_message() {
        let mut frames = Frames::default();

        frames.follow(&frame(0x01, MASKED, 10), |_| ());
        assert!(!frames.is_between());
        frames.follow(&frame(0x89, MASKED, 0), |_| ());
        assert!(!frames.is_between());
        frames.follow(&frame(0x80, MASKED, 10), |_| ());

        assert!(frames.is_between());
    }
}
