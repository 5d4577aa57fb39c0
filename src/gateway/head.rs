//! Where the head of a request ends in what arrives: the frames of a WebSocket can be followed only
//! from their first byte, which comes behind it.

const END: &[u8] = b"\r\n\r\n";

/// How much of the end has been met; past it, something has come behind.
#[derive(Debug, Default)]
pub(super) struct Head(usize);

impl Head {
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match END.get(self.0) {
                Some(next) if next == byte => self.0 += 1,
                Some(_) => self.0 = usize::from(*byte == END[0]),
                None => {
                    self.0 = END.len() + 1;
                    return;
                }
            }
        }
    }

    /// Whether it is complete, and nothing has come behind it.
    pub(super) fn is_all(&self) -> bool {
        self.0 == END.len()
    }

    /// It has been answered; the next one is to come.
    pub(super) fn answered(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_all(pieces: &[&[u8]]) -> bool {
        let mut head = Head::default();
        for piece in pieces {
            head.read(piece);
        }
        head.is_all()
    }

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_is_cut() {
        assert!(is_all(&[b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"]));
        assert!(is_all(&[b"GET / HTTP/1.1\r", b"\n", b"\r", b"\n"]));
        assert!(is_all(&[b"a\r\r\n\r\n"]));
        assert!(!is_all(&[b"GET / HTTP/1.1\r\nhost: x\r\n"]));
        assert!(!is_all(&[b"GET / HTTP/1.1\n\n"]));
    }

    #[test]
    fn what_comes_behind_it_is_seen_even_if_it_ends_like_it() {
        assert!(!is_all(&[b"a\r\n\r\n", b"\x81"]));
        assert!(!is_all(&[b"a\r\n\r\n\x89\x84\0\0\0\0\r\n\r\n"]));
    }
}
