//! WebSocket frames: cut out of what was read without copying, and written masked as a client must.

/// A frame that has come whole. Its payload lies at `body` of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) last: bool,
    pub(super) body: std::ops::Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A server's frame that no server may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAFrame;

/// Larger ones are refused: nothing in a load test sends so much at once.
const LARGEST: u64 = 64 << 20;

/// The frame that begins at `from`; `None`: not all of it has come.
pub(super) fn read(bytes: &[u8], from: usize) -> Result<Option<Frame>, NotAFrame> {
    let rest = &bytes[from..];
    let [first, second, ..] = *rest else { return Ok(None) };
    let kind = match first & 0x0f {
        0 => Kind::Continuation,
        1 => Kind::Text,
        2 => Kind::Binary,
        8 => Kind::Close,
        9 => Kind::Ping,
        10 => Kind::Pong,
        _ => return Err(NotAFrame),
    };
    // Extensions were not asked for, and a server does not mask.
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(NotAFrame);
    }
    let wide = match second {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(more) = rest.get(2..2 + wide) else { return Ok(None) };
    let length = match wide {
        0 => u64::from(second),
        _ => more.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    if length > LARGEST {
        return Err(NotAFrame);
    }
    let start = from + 2 + wide;
    let end = start + usize::try_from(length).map_err(|_| NotAFrame)?;
    let whole = end <= bytes.len();
    Ok(whole.then_some(Frame { kind, last: first & 0x80 != 0, body: start..end }))
}

/// Writes one frame. A server unmasks whatever the key is; one that never changes is as much work.
pub(super) fn write(kind: Kind, body: &[u8], out: &mut Vec<u8>) {
    const KEY: [u8; 4] = [0x6c, 0x6f, 0x61, 0x64];
    out.push(match kind {
        Kind::Continuation => 0x80,
        Kind::Text => 0x81,
        Kind::Binary => 0x82,
        Kind::Close => 0x88,
        Kind::Ping => 0x89,
        Kind::Pong => 0x8a,
    });
    match (u8::try_from(body.len()), u16::try_from(body.len())) {
        (Ok(length), _) if length < 126 => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 0x7e);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 0x7f);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    let start = out.len();
    out.extend_from_slice(body);
    for (at, byte) in out[start..].iter_mut().enumerate() {
        *byte ^= KEY[at % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's text frame.
    fn text(body: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81];
        match body.len() {
            length @ 0..126 => out.push(u8::try_from(length).unwrap()),
            length @ 126..65_536 => {
                out.push(126);
                out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                out.push(127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn frames_of_every_length_are_found_one_after_the_other() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let mut bytes = text(&vec![b'a'; length]);
            let second = bytes.len();
            bytes.extend(text(b"2"));

            let first = read(&bytes, 0).unwrap().unwrap();
            assert_eq!((first.kind, first.last, first.body.len()), (Kind::Text, true, length));
            assert_eq!(first.body.end, second);
            assert_eq!(&bytes[read(&bytes, second).unwrap().unwrap().body], b"2");
        }
    }

    #[test]
    fn part_of_a_frame_is_waited_for() {
        let bytes = text(&[b'a'; 300]);
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], 0), Ok(None), "{length} bytes");
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for bytes in [[0x83, 0], [0xc1, 0], [0x81, 0x80]] {
            assert_eq!(read(&bytes, 0), Err(NotAFrame), "{bytes:?}");
        }
        assert_eq!(read(&[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0], 0), Err(NotAFrame));
    }

    #[test]
    fn what_is_written_is_masked_and_a_server_reads_it() {
        for length in [0, 125, 126, 70_000] {
            let body = vec![b'x'; length];
            let mut out = Vec::new();
            write(Kind::Text, &body, &mut out);

            assert_eq!((out[0], out[1] & 0x80), (0x81, 0x80));
            let start = out.len() - length;
            let key: [u8; 4] = out[start - 4..start].try_into().unwrap();
            let plain: Vec<u8> =
                out[start..].iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            assert_eq!(plain, body);
        }
    }
}
