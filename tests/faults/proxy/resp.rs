//! As much of Redis' protocol as it takes to know where a reply ends, and whether it is one.

/// One whole thing Redis has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) bytes: Vec<u8>,
    /// An answer to a command, and not something pushed.
    pub(crate) is_reply: bool,
}

/// Takes what comes apart, however it was cut on the way.
#[derive(Default)]
pub(crate) struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.rest.extend_from_slice(bytes);
        let mut whole = Vec::new();
        let mut at = 0;
        while let Some(length) = length(&self.rest[at..]) {
            let bytes = self.rest[at..at + length].to_vec();
            at += length;
            whole.push(Said { is_reply: bytes[0] != b'>', bytes });
        }
        self.rest.drain(..at);
        whole
    }

    /// The beginning of something whose end never came.
    pub(crate) fn left(self) -> Vec<u8> {
        self.rest
    }
}

/// How long the first thing in `bytes` is; none: it is not all there.
fn length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let after = end + 2;
    let number = || std::str::from_utf8(&bytes[1..end]).ok()?.parse::<i64>().ok();
    let parts = match bytes[0] {
        // Texts of a length said before; a negative one is nothing at all.
        b'$' | b'!' | b'=' => {
            let Some(size) = number().and_then(|size| usize::try_from(size).ok()) else {
                return Some(after);
            };
            return (bytes.len() >= after + size + 2).then_some(after + size + 2);
        }
        b'*' | b'~' | b'>' => number().unwrap_or(0).max(0),
        b'%' => number().unwrap_or(0).max(0) * 2,
        // What is said about the reply, and then the reply.
        b'|' => number().unwrap_or(0).max(0) * 2 + 1,
        _ => return Some(after),
    };
    let mut at = after;
    for _ in 0..parts {
        at += length(&bytes[at..])?;
    }
    Some(at)
}

/// The same reply, with other ports where it tells where servers are.
pub(crate) fn led_elsewhere(bytes: Vec<u8>, instead: &[(u16, u16)]) -> Vec<u8> {
    const HERE: &[u8] = b"127.0.0.1";
    if instead.is_empty() || !bytes.windows(HERE.len()).any(|part| part == HERE) {
        return bytes;
    }
    let mut told = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = &bytes[at..at + digits];
        match instead.iter().find(|(from, _)| from.to_string().as_bytes() == whole) {
            Some((_, to)) => told.extend_from_slice(to.to_string().as_bytes()),
            None => told.extend_from_slice(&bytes[at..at + digits.max(1)]),
        }
        at += digits.max(1);
    }
    told
}
