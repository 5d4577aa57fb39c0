//! No version in a lock file has a hole that is known to us (tests/advisories.toml).
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::{fs, path::Path};

use toml::{Table, Value};

struct Advisory {
    name: String,
    least: Vec<u64>,
    why: String,
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn advisories(kind: &str) -> Vec<Advisory> {
    let all: Table = read("tests/advisories.toml").parse().unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = all[kind].as_array().unwrap().iter();
    rows.map(|row| Advisory {
        name: text(row, "name"),
        least: numbers(&text(row, "least")),
        why: text(row, "why"),
    })
    .collect()
}

/// A version as what it is ordered by; one before a release counts as that release.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap();
    release.split('.').map(|part| part.parse().unwrap()).collect()
}

/// What of these versions has a hole; a name that is not among them is a line too many.
fn holes(advisories: &[Advisory], versions: &[(String, String)]) -> Vec<String> {
    let mut holes = Vec::new();
    for Advisory { name, least, why } in advisories {
        let found: Vec<_> = versions.iter().filter(|(known, _)| known == name).collect();
        if found.is_empty() {
            holes.push(format!("{name} is not there any more"));
        }
        let old = found.iter().filter(|(_, version)| numbers(version) < *least);
        holes.extend(old.map(|(_, version)| format!("{name} {version}: {why}")));
    }
    holes
}

fn crates() -> Vec<(String, String)> {
    let lock: Table = read("Cargo.lock").parse().unwrap();
    let text = |package: &Value, key: &str| package[key].as_str().unwrap().to_owned();
    let packages = lock["package"].as_array().unwrap().iter();
    packages.map(|package| (text(package, "name"), text(package, "version"))).collect()
}

fn packages() -> Vec<(String, String)> {
    let lock: serde_json::Value = serde_json::from_str(&read("web/package-lock.json")).unwrap();
    let packages = lock["packages"].as_object().unwrap().iter();
    packages
        .filter_map(|(path, package)| {
            let (_, name) = path.rsplit_once("node_modules/")?;
            Some((name.to_owned(), package["version"].as_str()?.to_owned()))
        })
        .collect()
}

#[test]
fn no_crate_has_a_known_hole() {
    assert_eq!(holes(&advisories("crate"), &crates()), [""; 0]);
}

#[test]
fn no_package_of_the_page_has_a_known_hole() {
    assert_eq!(holes(&advisories("package"), &packages()), [""; 0]);
}

#[test]
fn a_planted_version_is_found() {
    let planted = |version: &str| vec![("bytes".to_owned(), version.to_owned())];
    let advisories = || advisories("crate").into_iter().filter(|a| a.name == "bytes");

    assert_eq!(holes(&advisories().collect::<Vec<_>>(), &planted("1.11.0")).len(), 1);
    assert_eq!(holes(&advisories().collect::<Vec<_>>(), &planted("1.9.12")).len(), 1);
    assert!(holes(&advisories().collect::<Vec<_>>(), &planted("1.11.1")).is_empty());
    assert_eq!(holes(&advisories().collect::<Vec<_>>(), &[]).len(), 1);
}
