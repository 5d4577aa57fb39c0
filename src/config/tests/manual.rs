//! The manual is the code: its defaults load, its bounds are those that are checked.
use secrecy::ExposeSecret;

use super::*;

#[test]
fn the_manual_alone_is_a_whole_configuration() {
    let loaded = load(&Arguments::default(), NOTHING).unwrap();

    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(loaded.config.engine.max_event.as_u64(), 65_536);
    assert_eq!(loaded.config.store.url.expose_secret(), "embedded:data/hubbub.redb");
    assert_eq!(loaded.config.store.retention_age.as_secs(), 30 * 86_400);
    assert!(loaded.settings.iter().all(|setting| setting.origin == "default"));
}

/// "Bounds: A to B." in the comment before a key, for every key that has them.
fn bounds_of_the_manual() -> Vec<(String, String, String)> {
    let (mut section, mut comment, mut bounds) = ("", String::new(), Vec::new());
    for line in MANUAL.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else if let Some((name, _)) = line.split_once(" = ") {
            if let Some((_, given)) = comment.split_once("Bounds:") {
                let (low, high) = given.trim().trim_end_matches('.').split_once(" to ").unwrap();
                bounds.push((format!("{section}.{name}"), low.to_owned(), high.to_owned()));
            }
            comment.clear();
        } else {
            section = line.trim_matches(['[', ']']);
            comment.clear();
        }
    }
    bounds
}

#[test]
fn the_bounds_in_the_manual_are_those_of_the_code() {
    let bounds = bounds_of_the_manual();
    assert!(bounds.len() > 30, "{} keys with bounds", bounds.len());

    for (key, low, high) in bounds {
        let unit = high.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u64 = high.trim_end_matches(char::is_alphabetic).parse().unwrap();
        let above = format!("{key}={}{unit}", number + 1);
        let told = refusal(&set(&[above.as_str()]), &[]);
        let says = format!("must be between {low} and {high}");
        assert!(told.contains(&says), "{above}: {told}, but the manual: {says}");

        let below = match low.as_str() {
            "0s" => None,
            "1" => Some("0"),
            low if low.ends_with("iB") => Some("1023B"),
            _ => Some("9ms"),
        };
        if let Some(below) = below {
            load(&set(&[&format!("{key}={below}")]), NOTHING).unwrap_err();
        }
        for edge in [low, high] {
            // At the edge it may still contradict another setting, but is within bounds.
            if let Err(error) = load(&set(&[&format!("{key}={edge}")]), NOTHING) {
                assert!(!error.to_string().contains("between"), "{error}");
            }
        }
    }
}
