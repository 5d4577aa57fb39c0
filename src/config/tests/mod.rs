//! What people meet: which layer wins, where a value comes from, and what a mistake is answered.
use std::path::{Path, PathBuf};

use super::*;

mod manual;
mod secrets;

const NOTHING: [(&str, &str); 0] = [];

fn set(arguments: &[&str]) -> Arguments {
    Arguments { file: None, set: arguments.iter().map(|a| (*a).to_owned()).collect() }
}

/// A file in a directory that vanishes with the first value.
fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hubbub.toml");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn from_file(path: &Path) -> Arguments {
    Arguments { file: Some(path.to_owned()), set: Vec::new() }
}

/// The one line a person would be told.
fn refusal(arguments: &Arguments, environment: &[(&str, &str)]) -> String {
    let error = load(arguments, environment.iter().copied()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

fn setting<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, &'a str) {
    let setting = loaded.settings.iter().find(|setting| setting.key == key).unwrap();
    (&setting.value, &setting.origin)
}

#[test]
fn a_later_layer_wins_and_every_value_knows_its_own() {
    let (_directory, path) = file(
        "[limits]\nmessage_rate = 1\nmessage_burst = 2\nrenames_per_minute = 3\n[rooms]\nopen = false",
    );
    let arguments =
        Arguments { set: vec!["limits.renames_per_minute=33".to_owned()], ..from_file(&path) };
    let environment =
        [("HUBBUB__LIMITS__MESSAGE_BURST", "22"), ("HUBBUB__LIMITS__RENAMES_PER_MINUTE", "4")];

    let loaded = load(&arguments, environment).unwrap();

    let path = path.display().to_string();
    assert_eq!(setting(&loaded, "limits.queued_events"), ("64", "default"));
    assert_eq!(setting(&loaded, "limits.message_rate"), ("1", path.as_str()));
    assert_eq!(setting(&loaded, "rooms.open"), ("false", path.as_str()));
    assert_eq!(setting(&loaded, "limits.message_burst"), ("22", environment[0].0));
    assert_eq!(setting(&loaded, "limits.renames_per_minute"), ("33", "--set"));
    assert_eq!(loaded.config.limits.renames_per_minute.get(), 33);
    assert_eq!(loaded.config.limits.message_burst.get(), 22);
    assert!(!loaded.config.rooms.open);
}

#[test]
fn the_last_of_two_arguments_counts() {
    let loaded = load(&set(&["classic.room=a", "classic.room=b"]), NOTHING).unwrap();

    assert_eq!(loaded.config.classic.room.as_str(), "b");
}

#[test]
fn a_value_that_equals_the_default_still_comes_from_where_it_was_set() {
    let loaded = load(&set(&[]), [("HUBBUB__CLASSIC__ROOM", "lobby")]).unwrap();

    assert_eq!(setting(&loaded, "classic.room"), ("\"lobby\"", "HUBBUB__CLASSIC__ROOM"));
}

#[test]
fn the_argument_names_the_file_before_the_variable_does() {
    let (_one, by_argument) = file("[classic]\nroom = 'by-argument'");
    let (_two, by_variable) = file("[classic]\nroom = 'by-variable'");
    let environment = [("HUBBUB_CONFIG", by_variable.to_str().unwrap())];

    let with_both = load(&from_file(&by_argument), environment).unwrap();
    let with_variable = load(&set(&[]), environment).unwrap();
    let with_an_empty_one = load(&set(&[]), [("HUBBUB_CONFIG", "")]).unwrap();

    assert_eq!(with_both.config.classic.room.as_str(), "by-argument");
    assert_eq!(with_variable.config.classic.room.as_str(), "by-variable");
    assert_eq!(with_an_empty_one.config.classic.room.as_str(), "lobby");
}

#[test]
fn lists_are_comma_separated_in_variables_and_arguments() {
    let environment = [
        ("HUBBUB__AUTH__RESERVED_NAMES", "boss, chief,"),
        ("HUBBUB__SERVER__ORIGINS", "https://a.example,http://localhost:8080"),
    ];

    let loaded = load(&set(&["auth.reserved_names=king"]), environment).unwrap();

    assert_eq!(loaded.config.auth.reserved_names, ["king"]);
    assert_eq!(loaded.config.server.origins, ["https://a.example", "http://localhost:8080"]);
    assert_eq!(
        setting(&loaded, "server.origins").0,
        r#"["https://a.example", "http://localhost:8080"]"#
    );
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_is_not_ours() {
    let environment = [
        ("HUBBUB_SERVICE_HOST", "10.0.0.1"),
        ("HUBBUB_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("hubbub__store__url", "memory:"),
    ];

    let loaded = load(&set(&[]), environment).unwrap();

    assert!(loaded.settings.iter().all(|setting| setting.origin == "default"));
}

#[test]
fn an_unknown_key_is_told_with_its_layer_and_the_nearest_right_one() {
    let (_directory, path) = file("[store]\nurll = 'memory:'");
    let in_file = refusal(&from_file(&path), &[]);
    assert!(in_file.starts_with(&format!("file {}, key store.urll: there is no", path.display())));
    assert!(in_file.contains("did you mean store.url?"), "{in_file}");

    for (variable, nearest) in [
        ("HUBBUB__STORE__URI", "HUBBUB__STORE__URL?"),
        ("HUBBUB__STORE_URL", "HUBBUB__STORE__URL?"),
        ("HUBBUB__Store__Url", "HUBBUB__STORE__URL?"),
        ("HUBBUB__LOG__LEVEL_FILE", "HUBBUB__LOG__LEVEL?"),
        ("HUBBUB__", "HUBBUB__"),
    ] {
        let told = refusal(&set(&[]), &[(variable, "x")]);
        assert!(told.starts_with(&format!("variable {variable}: there is no")), "{told}");
        assert!(told.contains(nearest), "{told}");
    }

    for (argument, nearest) in [
        ("engine.ping_intervall=1s", "engine.ping_interval?"),
        ("server.retention_age=1d", "store.retention_age?"),
        ("store=1", "store."),
    ] {
        let told = refusal(&set(&[argument]), &[]);
        let key = argument.split('=').next().unwrap();
        assert!(told.starts_with(&format!("argument --set {key}: there is no")), "{told}");
        assert!(told.contains(nearest), "{told}");
    }
}

#[test]
fn a_file_of_another_shape_is_not_misread() {
    for (content, key) in [
        ("[stor]", "stor"),
        ("store = 5", "store"),
        ("[store.url]\nx = 1", "store.url.x"),
        ("\"store.url\" = 'memory:'", "\\\"store.url\\\""),
        ("[Store]\nURL = 'memory:'", "Store.URL"),
    ] {
        let (_directory, path) = file(content);
        let told = refusal(&from_file(&path), &[]);
        assert!(told.contains(&format!("key {key}: there is no")), "{content}: {told}");
    }
    let (_directory, path) = file("[store]\n");
    load(&from_file(&path), NOTHING).unwrap();
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line_and_without_quoting_it() {
    let (_directory, path) = file("[store]\nurl = \"redis://u:hunter2@h\" oops");

    let told = refusal(&from_file(&path), &[]);

    assert!(told.contains(&path.display().to_string()), "{told}");
    assert!(told.contains("line 2"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_file_that_is_not_there_is_told_with_who_asked_for_it() {
    let by_argument = refusal(&from_file(Path::new("/nowhere.toml")), &[]);
    let by_variable = refusal(&set(&[]), &[("HUBBUB_CONFIG", "/nowhere.toml")]);

    assert!(by_argument.starts_with("file /nowhere.toml (from --config): cannot be read: "));
    assert!(by_variable.starts_with("file /nowhere.toml (from HUBBUB_CONFIG): cannot be read: "));
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_key_value_and_origin() {
    for (variable, value, says) in [
        (
            "HUBBUB__ROOMS__OPEN",
            "maybe",
            "rooms.open = \"maybe\" (from HUBBUB__ROOMS__OPEN): must be true or false",
        ),
        ("HUBBUB__SERVER__BACKLOG", "many", "must be a whole number"),
        (
            "HUBBUB__SERVER__BACKLOG",
            "4294967297",
            "server.backlog = 4294967297 (from HUBBUB__SERVER__BACKLOG): invalid value",
        ),
        ("HUBBUB__SERVER__BACKLOG", "-1", "server.backlog = -1"),
        ("HUBBUB__LIMITS__MESSAGE_RATE", "0", "nonzero"),
        ("HUBBUB__STORE__IDEMPOTENCY", "10", "store.idempotency = \"10\""),
        ("HUBBUB__ENGINE__MAX_EVENT", "big", "engine.max_event = \"big\""),
        ("HUBBUB__AUTH__MODE", "anybody", "unknown variant `anybody`, expected"),
        ("HUBBUB__SERVER__LISTEN", "localhost", "server.listen = \"localhost\""),
        ("HUBBUB__CLASSIC__ROOM", "The Lobby", "a room id is 1 to 64"),
    ] {
        let told = refusal(&set(&[]), &[(variable, value)]);
        assert!(told.contains(says) && told.contains(variable), "{told}");
    }
}

#[test]
fn what_contradicts_itself_is_told_with_what_is_allowed() {
    for (arguments, says) in [
        (
            &["presence.renew=5s"][..],
            "presence.renew = 5s: must be less than half of presence.lease, which is 10s (from --set; presence.lease from default)",
        ),
        (
            &["engine.max_event=2MiB", "limits.unsent_bytes=4MiB"],
            "engine.max_event = 2MiB: must be at most engine.max_body, which is 1MiB",
        ),
        (
            &["limits.unsent_bytes=2KiB"],
            "limits.unsent_bytes = 2KiB: must be at least engine.max_event",
        ),
        (
            &["drain.spread=25s"],
            "drain.deadline = 30s: must be more than drain.balancer_lag and drain.spread together, which is 30s (from default; drain.spread from --set)",
        ),
        (
            &["server.max_connections=1000"],
            "server.max_sessions = 40000: must be less than server.max_connections, which is 1000",
        ),
        (&["internal.listen=127.0.0.1:3000"], "must be another address than server.listen"),
        (&["store.url=redis-sentinel://h"], "add ?sentinelServiceName=NAME"),
        (
            &["auth.reserved_names=a", "server.origins="],
            "server.origins = []: must name at least one",
        ),
        (&["server.origins=*,https://a"], "stands alone"),
        (&["server.origins=https://a.example/"], "without a path"),
        (&["server.node=a b"], "server.node = \"a b\": must be empty"),
        (&["log.level=inof"], "log.level = \"inof\": must be off, error"),
        (&["log.level=info,hubbub"], "log.level"),
    ] {
        let told = refusal(&set(arguments), &[]);
        assert!(told.contains(says), "{told}");
    }
    let short = refusal(&set(&[]), &[("HUBBUB__AUTH__GUEST_KEY", "hunter2")]);
    assert_eq!(
        short,
        "auth.guest_key = ***: must be empty or at least 32 bytes, and has 7 \
         (from HUBBUB__AUTH__GUEST_KEY)"
    );
}

#[test]
fn sensible_values_at_the_edge_are_taken() {
    for argument in [
        "log.level=info,hubbub::store=debug",
        "log.level=warn,[conn{id=5}]=trace",
        "store.retention_age=0s",
        "presence.grace=0s",
        "server.listen=[::]:0",
        "server.node=chat-0.chat.svc",
        "server.origins=https://a.example,http://[::1]:80",
        "classic.enabled=false",
        "engine.max_event=65536",
    ] {
        load(&set(&[argument]), NOTHING).unwrap_or_else(|error| panic!("{argument}: {error}"));
    }
}

#[test]
fn the_keys_of_tokens_come_from_one_place_and_nobody_can_put_others_there() {
    let given = |more: &[&str]| {
        let all = [&["auth.mode=jwt"][..], more].concat();
        load(&set(&all), NOTHING).map(drop).map_err(|error| error.to_string())
    };
    let url = |url: &str| given(&[&format!("auth.jwt_key_url={url}")]);

    for good in [
        "https://id.example.org/keys",
        "http://127.0.0.1:8080/keys",
        "http://[::1]/keys",
        "http://localhost/keys",
    ] {
        assert_eq!(url(good), Ok(()), "{good}");
    }
    for bad in [
        "http://id.example.org/keys",
        "http://127.0.0.1.example.org/keys",
        "http://localhost@evil.example/keys",
        "https://user:secret@id.example.org/keys",
        "ftp://id.example.org/keys",
        "id.example.org/keys",
    ] {
        assert!(url(bad).unwrap_err().contains("auth.jwt_key_url"), "{bad}");
    }
    assert!(given(&[]).unwrap_err().contains("auth.jwt_key_file"));
    let both = ["auth.jwt_key_url=https://id.example.org", "auth.jwt_key_file=keys.json"];
    assert!(given(&both).unwrap_err().contains("not both"));
    let secret = ["auth.jwt_key_url=https://id.example.org", "auth.jwt_algorithm=HS256"];
    assert!(given(&secret).is_err());
}
