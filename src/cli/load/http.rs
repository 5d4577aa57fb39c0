//! As much of HTTP/1.1 as an answer to a handshake or a poll needs.
use std::{borrow::Cow, ops::Range};

use super::trouble::Trouble;

/// Status line and headers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Where what follows begins.
    pub(super) end: usize,
    length: Option<usize>,
    chunked: bool,
    pub(super) closes: bool,
}

/// A body, and where its answer ends.
type Body<'b> = (Cow<'b, [u8]>, usize);

/// Answers with more than so much before their body are refused.
const LONGEST_HEAD: usize = 32 << 10;

/// The head of an answer; `None`: not all of it has come.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Trouble> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        let wrong =
            bytes.len() > LONGEST_HEAD || !b"HTTP/1.".iter().zip(bytes).all(|(a, b)| a == b);
        return if wrong { Err(Trouble::new("not_http")) } else { Ok(None) };
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok())
        .ok_or(Trouble::new("not_http"))?;
    let mut head = Head { status, end: end + 4, length: None, chunked: false, closes: false };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.parse().ok(),
            "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => head.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    Ok(Some(head))
}

impl Head {
    /// The body, and where the answer ends; `None`: not all of it has come.
    pub(super) fn body<'b>(&self, bytes: &'b [u8]) -> Result<Option<Body<'b>>, Trouble> {
        if self.chunked {
            return chunks(bytes, self.end);
        }
        let range: Range<usize> = self.end..self.end + self.length.unwrap_or(0);
        let end = range.end;
        Ok(bytes.get(range).map(|body| (Cow::Borrowed(body), end)))
    }
}

fn chunks(bytes: &[u8], from: usize) -> Result<Option<Body<'_>>, Trouble> {
    let mut body = Vec::new();
    let mut at = from;
    loop {
        let Some(line) = memchr::memmem::find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + line]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.split(';').next()?, 16).ok());
        let size = size.ok_or(Trouble::new("not_http"))?;
        let start = at + line + 2;
        let Some(chunk) = bytes.get(start..start + size) else { return Ok(None) };
        if bytes.len() < start + size + 2 {
            return Ok(None);
        }
        at = start + size + 2;
        if size == 0 {
            return Ok(Some((Cow::Owned(body), at)));
        }
        body.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Option<(u16, Vec<u8>, usize)> {
        let head = head(bytes).unwrap()?;
        let (body, end) = head.body(bytes).unwrap()?;
        Some((head.status, body.into_owned(), end))
    }

    #[test]
    fn an_answer_is_whole_only_with_its_last_byte() {
        for bytes in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab\x1ecd".as_slice(),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nab\x1e\r\n2\r\ncd\r\n0\r\n\r\n",
        ] {
            for length in 0..bytes.len() {
                assert_eq!(answer(&bytes[..length]), None, "{length} bytes");
            }
            assert_eq!(answer(bytes), Some((200, b"ab\x1ecd".to_vec(), bytes.len())));
        }
    }

    #[test]
    fn what_does_not_speak_http_is_noticed_at_once() {
        assert_eq!(head(b"SSH-2.0-x\r\n"), Err(Trouble::new("not_http")));
        assert_eq!(head(b"HTTP/1.1 what\r\n\r\n"), Err(Trouble::new("not_http")));
    }
}
