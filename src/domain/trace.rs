//! Where in a trace something happened, written as W3C Trace Context writes `traceparent`.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Invalid;

const MALFORMED: Invalid = Invalid(
    "a traceparent is 00-<32 hexadecimal digits>-<16>-<2>, in small letters, and neither id is all zeros",
);
/// Of version 00; a later one may be longer.
const LENGTH: usize = 55;
/// The longest of a later version that is read.
const LONGEST: usize = 128;

/// One span of one trace. Whoever goes on from it makes a child of that span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    /// Whether its span is kept; then those of all others should be too.
    pub sampled: bool,
}

impl FromStr for TraceParent {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_known_length = match text.get(..2) {
            Some("00") => text.len() == LENGTH,
            Some("ff") | None => false,
            // A later version may say more, behind one more hyphen; what we know stays in front.
            Some(_) => {
                text.len() <= LONGEST
                    && (text.len() == LENGTH || text.as_bytes().get(LENGTH) == Some(&b'-'))
            }
        };
        let parts: Vec<&str> = text.splitn(5, '-').collect();
        let [version, trace, span, flags, ..] = parts[..] else { return Err(MALFORMED) };
        let lengths = [version, trace, span, flags].map(str::len);
        if !is_known_length || lengths != [2, 32, 16, 2] {
            return Err(MALFORMED);
        }
        hex(version)?;
        let (trace, span) = (hex(trace)?, hex(span)?);
        if trace == 0 || span == 0 {
            return Err(MALFORMED);
        }
        let span = u64::try_from(span).map_err(|_| MALFORMED)?;
        let sampled = hex(flags)? & 1 == 1;
        Ok(Self { trace: trace.to_be_bytes(), span: span.to_be_bytes(), sampled })
    }
}

fn hex(text: &str) -> Result<u128, Invalid> {
    if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        u128::from_str_radix(text, 16).map_err(|_| MALFORMED)
    } else {
        Err(MALFORMED)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

impl TryFrom<String> for TraceParent {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}
impl From<TraceParent> for String {
    fn from(place: TraceParent) -> Self {
        place.to_string()
    }
}

impl schemars::JsonSchema for TraceParent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TraceParent".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let says = "where in a trace of yours it is, as W3C writes it: 00-<32 hexadecimal digits>-<16>-<2>";
        schemars::json_schema!({ "type": "string", "description": says })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let read: TraceParent = W3C.parse().unwrap();
        assert!(read.sampled);
        assert_eq!(read.to_string(), W3C);
        let unsampled = W3C.replace("31-01", "31-00");
        assert!(!unsampled.parse::<TraceParent>().unwrap().sampled);
    }

    #[test]
    fn a_later_version_may_say_more_and_is_read_as_far_as_known() {
        let known: TraceParent = W3C.parse().unwrap();
        for later in [W3C.replacen("00", "01", 1), format!("cc{}-what-comes", &W3C[2..])] {
            assert_eq!(later.parse(), Ok(known), "{later}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("01{}-{}", &W3C[2..], "x".repeat(LONGEST));
        for bad in [
            "",
            "00",
            &W3C[..54],
            &format!("{W3C}0"),
            &format!("{W3C}-more"),
            &W3C.to_uppercase(),
            &W3C.replacen("00", "ff", 1),
            &W3C.replacen("00", "0x", 1),
            &W3C.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &W3C.replace("b7ad6b7169203331", &"0".repeat(16)),
            &W3C.replace("b7ad", "+7ad"),
            &W3C.replace("-b7", "é"),
            &long,
        ] {
            bad.parse::<TraceParent>().unwrap_err();
        }
    }
}
