//! Looks single fields up in JSON that need not be parsed as a whole.

/// The text of the first field of this name.
pub(super) fn field(json: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    let start = memchr::memmem::find(json, key.as_bytes())? + key.len();
    let end = memchr::memchr(b'"', &json[start..])?;
    Some(String::from_utf8_lossy(&json[start..start + end]).into_owned())
}

/// The number in the first field of this name.
pub(super) fn number(json: &[u8], name: &str) -> Option<u64> {
    let key = format!("\"{name}\":");
    let start = memchr::memmem::find(json, key.as_bytes())? + key.len();
    Some(digits(&json[start..])).filter(|_| json.get(start).is_some_and(u8::is_ascii_digit))
}

/// The number in the last field of this name.
pub(super) fn last_number(json: &[u8], name: &str) -> Option<u64> {
    let key = format!("\"{name}\":");
    let start = memchr::memmem::rfind(json, key.as_bytes())? + key.len();
    Some(digits(&json[start..])).filter(|_| json.get(start).is_some_and(u8::is_ascii_digit))
}

/// The number that a text begins with; 0 if with none.
pub(super) fn digits(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

pub(super) fn contains(text: &[u8], what: &str) -> bool {
    memchr::memmem::find(text, what.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_absent_ones_are_not() {
        let json = br#"17[{"ok":true,"seq":5,"epoch":"e1","n":null},{"seq":78}]"#;

        assert_eq!(field(json, "epoch").as_deref(), Some("e1"));
        assert_eq!((number(json, "seq"), last_number(json, "seq")), (Some(5), Some(78)));
        assert_eq!((field(json, "seq"), number(json, "n"), number(json, "x")), (None, None, None));
        assert_eq!(digits(json), 17);
        assert!(contains(json, "\"ok\":true") && !contains(json, "\"ok\":false"));
    }
}
