//! What is secret comes in by ways that keep it so, and never shows.
use secrecy::ExposeSecret;

use super::*;

#[test]
fn a_secret_may_come_from_a_file_and_loses_the_white_space_around_it() {
    let (_directory, path) = file("\n redis://u:hunter2@h \n");
    let path = path.to_str().unwrap();

    let loaded = load(&set(&[]), [("HUBBUB__STORE__URL_FILE", path)]).unwrap();

    assert_eq!(loaded.config.store.url.expose_secret(), "redis://u:hunter2@h");
    assert_eq!(setting(&loaded, "store.url"), ("\"redis://***@h\"", "HUBBUB__STORE__URL_FILE"));
}

#[test]
fn a_secret_given_twice_or_out_of_reach_is_an_error() {
    for value in ["memory:", ""] {
        let environment = [("HUBBUB__STORE__URL", value), ("HUBBUB__STORE__URL_FILE", "/nowhere")];
        let both = refusal(&set(&[]), &environment);
        assert_eq!(
            both,
            "HUBBUB__STORE__URL and HUBBUB__STORE__URL_FILE are both set; keep one of them"
        );
    }

    let unreadable = refusal(&set(&[]), &[("HUBBUB__AUTH__GUEST_KEY_FILE", "/nowhere")]);
    assert!(
        unreadable.starts_with(
            "variable HUBBUB__AUTH__GUEST_KEY_FILE: file \"/nowhere\": cannot be read: "
        ),
        "{unreadable}"
    );
}

#[test]
fn a_secret_does_not_belong_among_the_arguments() {
    for argument in ["auth.guest_key=hunter2hunter2", "store.url=redis://u:hunter2@h"] {
        let told = refusal(&set(&[argument]), &[]);
        assert!(told.contains("_FILE"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let told = refusal(&set(&["store.url:redis://u:hunter2@h"]), &[]);
    assert!(told.contains("write --set section.key=value"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");

    load(&set(&["store.url=redis://h", "auth.guest_key="]), NOTHING).unwrap();
}

#[test]
fn no_secret_shows_in_what_was_loaded() {
    let key = "hunter2 hunter2 hunter2 hunter2 hunter2";
    let environment = [
        ("HUBBUB__STORE__URL", "redis://u:hunter2@redis.example"),
        ("HUBBUB__AUTH__GUEST_KEY", key),
    ];

    let loaded = load(&set(&[]), environment).unwrap();

    let shown = format!("{loaded:?} {:?}", loaded.config.store.parsed());
    assert!(shown.contains("redis.example") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(setting(&loaded, "auth.guest_key").0, "\"***\"");
}

#[test]
fn no_secret_shows_in_an_error() {
    for (key, value) in [
        ("url", "'redis://u:hunter2/@h'"),
        ("url", "'hunter2'"),
        ("url", "['hunter2']"),
        ("url", "{ hunter2 = 1 }"),
    ] {
        let (_directory, path) = file(&format!("[store]\n{key} = {value}"));
        let told = refusal(&from_file(&path), &[]);
        // A key is not a secret, whatever somebody calls it.
        assert!(!told.replace("key store.url.hunter2", "").contains("hunter2"), "{told}");
    }
    for value in ["'hunter2'", "4711", "['hunter2']"] {
        let (_directory, path) = file(&format!("[auth]\nguest_key = {value}"));
        let told = refusal(&from_file(&path), &[]);
        assert!(!told.contains("hunter2") && !told.contains("4711"), "{told}");
    }
}
