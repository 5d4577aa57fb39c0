//! The rules no compiler checks: who imports whom, first lines, lengths, the manual, loose ends.
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use hubbub::config::{Config, MANUAL};

/// Who may import whom, as `architecture.md` has it. Each module may also import itself.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("error", &["domain"]),
    ("config", &["domain"]),
    ("clock", &["domain"]),
    ("lifecycle", &[]),
    ("telemetry", &["domain", "config"]),
    ("redis", &["domain", "config", "telemetry"]),
    ("adapter", &["domain", "config", "telemetry"]),
    (
        "store",
        &[
            "domain",
            "config",
            "telemetry",
            "redis",
            "adapter::envelope",
            "adapter::local",
            // Why a store that lost its place asks for a repair.
            "adapter::GapCause",
        ],
    ),
    // Keys that cannot be fetched are counted.
    ("auth", &["domain", "config", "store", "telemetry"]),
    // Whether a connection is in a room is asked of the registry.
    ("policy", &["domain", "config", "store", "adapter", "rooms"]),
    ("rooms", &["domain", "config", "store", "adapter", "telemetry"]),
    ("state", &["config", "policy", "rooms", "store", "adapter", "telemetry", "auth"]),
    ("events", &["domain", "config", "telemetry", "policy", "rooms", "state", "store", "adapter"]),
    ("gateway", ALL_BEHIND_THE_GATEWAY),
    ("app", ANY),
    ("cli", ANY),
    ("lib", ANY),
    ("main", ANY),
];
const ANY: &[&str] = &["*"];
const ALL_BEHIND_THE_GATEWAY: &[&str] = &[
    "domain",
    "config",
    "telemetry",
    "redis",
    "adapter",
    "store",
    "auth",
    "policy",
    "rooms",
    "state",
    "events",
];
/// Single files that may do more than their module.
const FILES_THAT_MAY_MORE: &[(&str, &str)] = &[
    ("adapter/redis", "redis"),
    // Hears what its store tells.
    ("store/embedded/tests", "adapter"),
];

/// Everyone may import these...
const FOR_EVERYONE: [&str; 3] = ["lifecycle", "clock", "error"];
/// ...but for those that everything else rests on.
const PURE: [&str; 5] = ["domain", "config", "error", "clock", "lifecycle"];

/// Crates that only these places may name.
const ALONE_MAY_NAME: &[(&[&str], &[&str])] = &[
    (
        &[
            "socketioxide",
            "engineioxide",
            "axum",
            "tower",
            "tower_http",
            "hyper",
            "hyper_util",
            "http_body_util",
        ],
        &["gateway"],
    ),
    (&["fred"], &["redis", "store/redis", "adapter/redis"]),
    (&["redb"], &["store/embedded"]),
    (&["clap"], &["cli", "main"]),
    (&["mio", "hdrhistogram", "memchr"], &["cli/load"]),
    (&["config"], &["config"]),
    (
        &[
            "opentelemetry",
            "opentelemetry_sdk",
            "opentelemetry_prometheus",
            "opentelemetry_otlp",
            "tracing_subscriber",
            "prometheus",
        ],
        &["telemetry"],
    ),
    (&["jsonwebtoken"], &["auth"]),
    (&["governor"], &["policy"]),
    (&["tokio::signal"], &["lifecycle"]),
];

const LONGEST_FILE: usize = 400;

#[test]
fn modules_import_only_what_lies_further_along() {
    let wrong: Vec<String> =
        sources("src").iter().flat_map(|(path, text)| wrong_imports(path, text)).collect();

    assert!(wrong.is_empty(), "see IMPORTS in tests/tidy.rs:\n{}", wrong.join("\n"));
}

#[test]
fn each_library_is_named_only_where_it_belongs() {
    let wrong: Vec<String> =
        sources("src").iter().flat_map(|(path, text)| wrong_crates(path, text)).collect();

    assert!(wrong.is_empty(), "see ALONE_MAY_NAME in tests/tidy.rs:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let files = sources("src").into_iter().chain(sources("tests"));

    let silent: Vec<String> = files
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path.display().to_string())
        .collect();

    assert!(silent.is_empty(), "without a first line `//! …`:\n{}", silent.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read_at_a_sitting() {
    let long: Vec<String> = sources("src")
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();

    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = Vec::new();
    for (path, text) in sources("src") {
        for (number, line) in text.lines().enumerate() {
            let is_loose = ["TODO", "FIXME", "todo!", "unimplemented!"];
            if is_loose.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_setting_stands_in_the_manual_and_the_manual_names_no_other() {
    let manual: toml::Table = MANUAL.parse().expect("the manual is TOML");
    manual.clone().try_into::<Config>().expect("every key of the manual is a field");

    for (section, keys) in &manual {
        let keys = keys.as_table().expect("the manual consists of sections");
        for key in keys.keys() {
            let mut without = manual.clone();
            section_of(&mut without, section).remove(key);
            assert!(
                without.try_into::<Config>().is_err(),
                "{section}.{key} has a default besides the manual's"
            );
        }
        let mut with = manual.clone();
        section_of(&mut with, section).insert("no_such_key".to_owned(), true.into());
        assert!(with.try_into::<Config>().is_err(), "[{section}] takes keys that do not exist");
    }
    let mut with = manual.clone();
    with.insert("no_such_section".to_owned(), toml::Table::new().into());
    assert!(with.try_into::<Config>().is_err(), "sections that do not exist are taken");
    // A field with a default of its own would decode without the manual; only its text gives it away.
    for (section, keys) in &manual {
        let keys = keys.as_table().expect("the manual consists of sections").keys();
        let mut fields = fields_of_section(section);
        fields.sort();
        assert_eq!(fields, keys.cloned().collect::<Vec<_>>(), "fields and keys of [{section}]");
    }
}

#[test]
fn every_line_of_the_manual_is_explained_before_it_comes() {
    let lines: Vec<&str> = MANUAL.lines().collect();

    let bare: Vec<&str> = lines
        .windows(2)
        .filter(|pair| !pair[1].is_empty() && !pair[1].starts_with('#'))
        .filter(|pair| !pair[0].starts_with("# "))
        .map(|pair| pair[1])
        .collect();

    assert!(bare.is_empty(), "without a comment in the line before:\n{}", bare.join("\n"));
}

#[test]
fn the_protocol_files_say_what_the_types_say() {
    let schemas = format!("{:#}\n", hubbub::gateway::protocol::schemas());
    let files = [
        ("docs/protocol.md", hubbub::gateway::protocol::page()),
        ("docs/protocol.json", schemas),
        ("docs/metrics.md", hubbub::telemetry::metrics::page()),
    ];
    for (name, text) in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if env::var_os("WRITE_PROTOCOL").is_some() {
            fs::write(&path, &text).unwrap();
        }

        let written = fs::read_to_string(&path).unwrap_or_default();

        assert!(written == text, "{name} is not what the types say: run `make protocol`");
    }
}

#[test]
fn imports_are_seen_in_every_spelling() {
    let text = r#"
        use crate::{gateway::{a, b::c as d}, domain};
        // use crate::events;
        /* crate::rooms::x /* nested */ crate::auth */
        pub use super::super::policy::Access;
        const S: &str = "crate::state::X \" crate::app"; const C: char = '"';
        fn f<'a>(x: &'a str) -> crate::cli::Cli { $crate::store::open::<u8>() }
        mod inner { use super::super::super::redis; use super::own; }
    "#;

    let found: Vec<String> = paths_of_crate(Path::new("adapter/local.rs"), text)
        .into_iter()
        .map(|path| path.join("::"))
        .collect();

    assert_eq!(
        found,
        [
            "gateway::a",
            "gateway::b::c",
            "domain",
            "policy::Access",
            "cli::Cli",
            "store::open",
            "redis"
        ]
    );
    let wrong = wrong_imports(Path::new("adapter/local.rs"), text).join("\n");
    for module in ["gateway", "policy", "cli", "store", "redis"] {
        assert!(wrong.contains(&format!("`crate::{module}")), "{module}: {wrong}");
    }
    assert_eq!(wrong_imports(Path::new("adapter/redis.rs"), "use crate::redis::Pool;").len(), 0);
    let envelope = "use crate::adapter::{envelope::Entry, local};";
    assert_eq!(wrong_imports(Path::new("store/log.rs"), envelope).len(), 0);
    assert_eq!(wrong_imports(Path::new("store/log.rs"), "use crate::adapter::Adapter;").len(), 1);
    assert_eq!(wrong_imports(Path::new("new/mod.rs"), "").len(), 1);
}

#[test]
fn libraries_are_seen_in_every_spelling() {
    for text in [
        "use axum::Router;",
        "use axum;",
        "use {std::fmt, axum::{Router, Json}};",
        "fn f() -> ::axum::Router {}",
        "#[derive(axum::FromRef)]",
        "use tokio::{signal::unix, time};",
    ] {
        assert!(!wrong_crates(Path::new("store/mod.rs"), text).is_empty(), "{text}");
    }
    for text in [
        "use crate::config::Config; use crate::{config, domain};  fn f() { config::load() }",
        "mod config; fn f() { config::show() }",
        "use super::config::x; // axum::Router",
        "use super::*; fn f() { config::load() }",
        "fn f(axum: u8) { self.tower.hyper() }",
    ] {
        assert_eq!(wrong_crates(Path::new("cli/mod.rs"), text), [] as [String; 0], "{text}");
    }
}

fn section_of<'a>(manual: &'a mut toml::Table, section: &str) -> &'a mut toml::Table {
    manual[section].as_table_mut().expect("the manual consists of sections")
}

/// The fields of the one struct in a section's file that is decoded as a whole.
fn fields_of_section(section: &str) -> Vec<String> {
    let path = PathBuf::from(format!("config/{section}.rs"));
    let sources = sources("src");
    let (_, text) = sources.iter().find(|(p, _)| *p == path).expect("one section a file");
    let (_, decoded) = text.split_once("deny_unknown_fields").expect("it is decoded strictly");
    let (fields, _) = decoded.split_once("\n}").expect("a struct ends");
    let names =
        fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Every Rust file below a folder of the repository: its path from there, and its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the repository can be read") {
            let path = entry.expect("the repository can be read").path();
            if path.is_dir() {
                // What npm installs below tests/clients is not ours.
                if !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                let path = path.strip_prefix(&root).expect("it was found below").to_owned();
                files.push((path, text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} holds sources");
    files
}

/// The file's module path: `store/redis/log.rs` → `store`, `redis`, `log`.
fn module_of(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|name| name.to_str().expect("our paths are text").to_owned())
        .collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// Whether `path` is `place`, or lies in it: `gateway/conn.rs` lies in `gateway`.
fn is_in(path: &Path, place: &str) -> bool {
    path.with_extension("").starts_with(place)
}

fn wrong_imports(path: &Path, text: &str) -> Vec<String> {
    let module = module_of(path).swap_remove(0);
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("src/{}: nobody said what `{module}` may import", path.display())];
    };
    let may = |import: &[String]| {
        import[0] == module
            || allowed.iter().any(|place| *place == "*" || begins_with(import, place))
            || FOR_EVERYONE.contains(&import[0].as_str()) && !PURE.contains(&module.as_str())
            || FILES_THAT_MAY_MORE
                .iter()
                .any(|(file, place)| is_in(path, file) && begins_with(import, place))
    };
    paths_of_crate(path, text)
        .iter()
        .filter(|import| IMPORTS.iter().any(|(name, _)| *name == import[0]) && !may(import))
        .map(|import| format!("src/{}: imports `crate::{}`", path.display(), import.join("::")))
        .collect()
}

fn wrong_crates(path: &Path, text: &str) -> Vec<String> {
    let paths = paths(text);
    let mut wrong = Vec::new();
    for (crates, places) in ALONE_MAY_NAME {
        if places.iter().any(|place| is_in(path, place)) {
            continue;
        }
        for found in &paths {
            // A name that the file itself brings in is no library's.
            if crates.iter().any(|name| begins_with(&found.names, name))
                && !paths.iter().any(|other| other.brings_in(&found.names[0]))
            {
                wrong.push(format!("src/{}: names `{}`", path.display(), found.names.join("::")));
            }
        }
    }
    wrong
}

fn begins_with(path: &[String], place: &str) -> bool {
    let names: Vec<&str> = place.split("::").collect();
    path.len() >= names.len() && path.iter().zip(names).all(|(a, b)| a == b)
}

/// Paths from the root of the crate, by `crate::` or by climbing with `super::`.
fn paths_of_crate(path: &Path, text: &str) -> Vec<Vec<String>> {
    let depth = module_of(path).len();
    paths(text)
        .into_iter()
        .filter_map(|found| {
            let climbs = found.names.iter().take_while(|name| *name == "super").count();
            let rest = if found.names[0] == "crate" {
                &found.names[1..]
            } else if climbs > 0 && climbs == depth + found.depth {
                &found.names[climbs..]
            } else {
                return None;
            };
            (!rest.is_empty()).then(|| rest.to_vec())
        })
        .collect()
}

/// A path as it stands in a file, groups resolved.
struct Found {
    names: Vec<String>,
    /// How many `mod x { … }` it stands in.
    depth: usize,
    /// Whether it is `mod name`, not a path.
    is_module: bool,
}

impl Found {
    /// Whether it makes `name` mean something of this crate: `mod name`, `use crate::…::name`; or
    /// may do so, being a glob and `name` also a module of ours.
    fn brings_in(&self, name: &str) -> bool {
        let is_ours = ["crate", "super", "self"].contains(&self.names[0].as_str());
        let is_module = IMPORTS.iter().any(|(module, _)| *module == name);
        (self.is_module || is_ours)
            && self.names.last().is_some_and(|last| last == name || (last == "*" && is_module))
    }
}

/// Every path in the text, and every module it declares.
fn paths(text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).filter(|token| is_word(token)).cloned();
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token == what);
    let (mut found, mut at) = (Vec::new(), 0);
    // The braces that are open; `true`: a module's.
    let mut braces = Vec::new();
    while at < tokens.len() {
        let depth = braces.iter().filter(|is_module| **is_module).count();
        match tokens[at].as_str() {
            "mod" if word(at + 1).is_some() => {
                found.push(Found {
                    names: word(at + 1).into_iter().collect(),
                    depth,
                    is_module: true,
                });
                at += 2;
                if is(at, "{") {
                    braces.push(true);
                    at += 1;
                }
                continue;
            }
            "{" => braces.push(false),
            "}" => {
                braces.pop();
            }
            token if is_word(token) && !(at > 0 && is(at - 1, ".")) => {
                let begin = at;
                let mut names = Vec::new();
                at = path_tree(&tokens, at, &[], &mut names);
                let is_path = at > begin + 1 || (begin > 0 && is(begin - 1, "use"));
                let all = names.into_iter().filter(|_| is_path);
                found.extend(all.map(|names| Found { names, depth, is_module: false }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads `a::b`, `a::{b, c::d}` or `a::*`; returns where it ends.
fn path_tree(
    tokens: &[String],
    at: usize,
    before: &[String],
    into: &mut Vec<Vec<String>>,
) -> usize {
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token == what);
    let mut names = before.to_vec();
    names.push(tokens[at].clone());
    let mut at = at + 1;
    while is(at, "::") {
        if is(at + 1, "{") {
            at += 2;
            while at < tokens.len() && !is(at, "}") {
                // `as other` names nothing that is imported.
                let is_renaming = is(at, "as");
                at = match is_word(&tokens[at]) {
                    true if is_renaming => at + 2,
                    true => path_tree(tokens, at, &names, into),
                    false => at + 1,
                };
            }
            return at + 1;
        }
        match tokens.get(at + 1).filter(|token| is_word(token) || *token == "*") {
            Some(name) => names.push(name.clone()),
            // Type arguments.
            None => break,
        }
        at += 2;
    }
    into.push(names);
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            '\'' => character(rest),
            'r' | 'b' | 'c' if raw_text(rest).is_some() => raw_text(rest).unwrap_or(1),
            _ if is_word(rest) => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let word = &rest[..end.unwrap_or(rest.len())];
                tokens.push(word.to_owned());
                word.len()
            }
            _ if rest.starts_with("::") => {
                tokens.push("::".to_owned());
                2
            }
            sign => {
                if !sign.is_whitespace() {
                    tokens.push(sign.to_string());
                }
                sign.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a comment in `/* … */`, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of `"…"`.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"` or `r#"…"#`, with `b` or `c` before it or not.
fn raw_text(text: &str) -> Option<usize> {
    let raw = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('r')?;
    let inside = raw.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(raw.len() - inside.len()));
    let content = inside.strip_prefix('"')?;
    let length = content.find(&end).map_or(content.len(), |at| at + end.len());
    Some(text.len() - content.len() + length)
}

/// The length of `'x'`, `'\n'` or of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        Some((_, c)) if text[1 + c.len_utf8()..].starts_with('\'') => c.len_utf8() + 2,
        _ => {
            text[1..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |n| n + 1)
        }
    }
}
