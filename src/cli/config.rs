//! `hubbub config`: the settings in effect, a line each, with where they come from.
use std::io::{self, Write};

use anyhow::Context;

use crate::config::Loaded;

/// A longer line pushes its own origin out, not everybody's: half of a terminal of 100 columns.
const WIDEST: usize = 50;

pub(super) fn show(loaded: &Loaded) -> anyhow::Result<()> {
    match write(loaded, &mut io::stdout().lock()) {
        // `hubbub config | head`: whoever asked has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("the settings cannot be written"),
    }
}

fn write(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let lines: Vec<(String, &str)> = loaded
        .settings
        .iter()
        .map(|setting| (format!("{} = {}", setting.key, setting.value), setting.origin.as_str()))
        .collect();
    let widths = lines.iter().map(|(line, _)| line.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    for (line, origin) in lines {
        writeln!(out, "{line:width$}   # {origin}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Arguments, load};

    #[test]
    fn every_setting_is_a_line_with_its_origin_and_the_store_is_masked() {
        let environment = [("HUBBUB__STORE__URL", "redis://u:hunter2@redis.example")];
        let loaded = load(&Arguments::default(), environment).unwrap();

        let mut out = Vec::new();
        write(&loaded, &mut out).unwrap();

        let text = String::from_utf8(out).unwrap();
        let line = text.lines().find(|line| line.starts_with("store.url = ")).unwrap();
        assert!(line.starts_with("store.url = \"redis://***@redis.example\" "), "{line}");
        assert!(line.ends_with("   # HUBBUB__STORE__URL"), "{line}");
        assert!(!text.contains("hunter2"));
        assert_eq!(text.lines().count(), loaded.settings.len());
        let column = |line: &str| line.rfind("   # ").unwrap();
        assert!(text.lines().all(|other| column(other) == column(line) || other.len() > WIDEST));
    }
}
