//! The name a person goes by: PRECIS Nickname (RFC 8266), at most 32 graphemes, and not one that
//! only looks like a reserved name (UTS 39 skeletons).
use std::fmt;

use precis_core::profile::Profile;
use precis_profiles::Nickname as Precis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_segmentation::UnicodeSegmentation;

use super::Invalid;

/// The longest name, in graphemes (what a reader would call letters).
pub const LONGEST_NAME: usize = 32;
/// The most combining marks on one letter.
const MOST_MARKS: usize = 4;

/// A name fit to be shown. Unique names come with accounts; two guests may both be ada.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Nickname(String);

impl Nickname {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the eye takes it for.
    pub fn skeleton(&self) -> Skeleton {
        Skeleton::of(&self.0)
    }
}

/// What the eye takes a name for: alike for all names that read alike; case, width and look-alike
/// letters make no difference (UTS 39).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Skeleton(String);

impl fmt::Display for Skeleton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Skeleton {
    /// Of any text, whether it is fit to be a name or not.
    pub fn of(name: &str) -> Self {
        let folded = name.to_lowercase();
        Self(unicode_security::skeleton(&folded).collect::<String>().to_lowercase())
    }
}

impl TryFrom<String> for Nickname {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        const SAYS: Invalid =
            Invalid("a name is 1 to 32 letters, digits, spaces or signs, without hidden ones");
        if text.len() > LONGEST_NAME * 64 {
            return Err(SAYS);
        }
        // Joiners and variation selectors hold emoji together; PRECIS does not know them.
        let visible: String =
            text.chars().filter(|c| !matches!(c, '\u{200d}' | '\u{fe0f}')).collect();
        let has_emoji = visible.chars().any(is_pictograph);
        let checked = Precis::new().enforce(visible.as_str()).map_err(|_| SAYS)?;
        let name = if has_emoji && visible.len() != text.len() {
            if hides_something(&text) {
                return Err(SAYS);
            }
            text.trim().to_owned()
        } else if visible.len() == text.len() {
            checked.into_owned()
        } else {
            return Err(SAYS);
        };
        let letters = name.graphemes(true).count();
        if !(1..=LONGEST_NAME).contains(&letters) || !name.chars().any(is_visible) {
            return Err(SAYS);
        }
        if name.graphemes(true).any(|g| g.chars().filter(|c| is_mark(*c)).count() > MOST_MARKS) {
            return Err(SAYS);
        }
        Ok(Self(name))
    }
}

/// A joiner that joins no pictographs.
fn hides_something(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.iter().enumerate().any(|(i, c)| match c {
        '\u{200d}' => {
            let before = chars[..i].iter().rev().find(|c| **c != '\u{fe0f}' && !is_mark(**c));
            !(before.is_some_and(|c| is_pictograph(*c))
                && chars.get(i + 1).is_some_and(|c| is_pictograph(*c)))
        }
        '\u{fe0f}' => i == 0 || !is_pictograph(chars[i - 1]),
        _ => false,
    })
}

fn is_pictograph(c: char) -> bool {
    matches!(
        get_general_category(c),
        GeneralCategory::OtherSymbol | GeneralCategory::ModifierSymbol
    ) && !c.is_ascii()
}

fn is_mark(c: char) -> bool {
    matches!(
        get_general_category(c),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
    )
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !is_mark(c) && get_general_category(c) != GeneralCategory::Format
}

impl From<Nickname> for String {
    fn from(name: Nickname) -> Self {
        name.0
    }
}
impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<Nickname, Invalid> {
        text.to_owned().try_into()
    }

    #[test]
    fn names_of_many_scripts_are_names() {
        for good in [
            "ada",
            "محمد",
            "李",
            "👩\u{200d}👩\u{200d}👧",
            "O'Brien",
            "Ana-María",
            "हिन्दी",
            "דוד",
            "❤\u{fe0f}",
        ] {
            assert_eq!(name(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn hidden_and_empty_names_are_not() {
        for bad in [
            "",
            "   ",
            "admin\u{200b}",
            "\u{202e}nimda",
            "\u{301}\u{301}",
            "a\u{200d}b",
            "a\0b",
            "a\nb",
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        name(&"x".repeat(LONGEST_NAME)).unwrap();
        name(&"x".repeat(LONGEST_NAME + 1)).unwrap_err();
        name(&format!("a{}", "\u{301}".repeat(40))).unwrap_err();
    }

    #[test]
    fn a_look_alike_reads_like_what_it_apes() {
        for ape in ["admin", "Admin", "\u{430}dmin", "ＡＤＭＩＮ"] {
            assert_eq!(name(ape).unwrap().skeleton(), Skeleton::of("admin"), "{ape}");
        }
        assert_ne!(name("adam").unwrap().skeleton(), Skeleton::of("admin"));
    }
}
