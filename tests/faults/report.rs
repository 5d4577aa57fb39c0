//! What is kept of each run, and the page made of it: `docs/reports/faults.md`.
use std::{collections::BTreeMap, fmt::Write, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    scenarios::{Play, Scenario},
    story::Row,
};

/// One run, passed or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) scenario: String,
    /// What the trial calls the seed: its number, or `random`.
    pub(crate) label: String,
    pub(crate) seed: u64,
    /// `None`: it broke off before there was anything to judge.
    pub(crate) row: Option<Row>,
    pub(crate) complaint: Option<String>,
}

fn rows() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/faults/rows")
}

/// Keeps it for the page; of one scenario and label the last counts.
pub(crate) fn keep(entry: &Entry) -> io::Result<()> {
    fs::create_dir_all(rows())?;
    let path = rows().join(format!("{}-{}.json", entry.scenario, entry.label));
    fs::write(path, serde_json::to_vec_pretty(entry)?)
}

/// Writes the page of all that is kept.
pub(crate) fn write(scenarios: &[Scenario]) -> io::Result<PathBuf> {
    let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for file in fs::read_dir(rows())? {
        let entry: Entry = serde_json::from_slice(&fs::read(file?.path())?)?;
        entries.entry(entry.scenario.clone()).or_default().push(entry);
    }
    let page = page(scenarios, &mut entries).map_err(io::Error::other)?;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reports/faults.md");
    fs::create_dir_all(path.parent().expect("it has a folder"))?;
    fs::write(&path, page)?;
    Ok(path)
}

const INTRODUCTION: &str = "\
# What was broken on purpose, and what came of it

<!-- Written by `make faults`. Do not edit. -->

Real nodes, a real Redis, and between every two of them a proxy that fails on command. Every client
writes down what it said, heard and was told; the checker decides V1 to V12 from that and from the
whole log. **Lost**: acked and not in the log. **Doubled**: twice in a log or in what a client shows.
**Out of order**: in either. **Unknown**: never acked, and perhaps taken. Times are of the middle,
of the 99th of a hundred, and the longest. **Away**: from the first send that failed to the next
that succeeded. All nodes, Redis and all clients share one machine; times are those of that machine,
four runs go on at once but for N1 and C11, and faults last shorter than they may in life, so that
the whole is done within an hour. Where a fault is repeated, it is so often under all seeds together:
N2 and N3 a hundred times, R5 and X1 twenty, E1 two hundred.
";

fn page(
    scenarios: &[Scenario],
    entries: &mut BTreeMap<String, Vec<Entry>>,
) -> Result<String, std::fmt::Error> {
    let mut page = INTRODUCTION.to_owned();
    let runs: Vec<&Entry> = entries.values().flatten().collect();
    let passed = runs.iter().filter(|run| run.complaint.is_none()).count();
    let played = entries.len();
    let all = runs.len();
    writeln!(page, "\n{played} scenarios were played {all} times in all; {passed} runs passed.")?;
    writeln!(
        page,
        "\n| | fault | seed | offered | acked | lost | doubled | out of order | unknown | to ack | to delivery | away | resets | truncated | verdict |"
    )?;
    writeln!(page, "|---|---|---|--:|--:|--:|--:|--:|--:|---|---|--:|--:|--:|---|")?;
    let mut notes = String::new();
    for Scenario { id, fault, play, .. } in scenarios {
        let mut runs = entries.remove(*id).unwrap_or_default();
        runs.sort_by(|a, b| a.label.cmp(&b.label));
        if let Play::Impossible(why) = play {
            writeln!(page, "| {id} | {fault} | | | | | | | | | | | | | not run: {why} |")?;
        } else if runs.is_empty() {
            writeln!(page, "| {id} | {fault} | | | | | | | | | | | | | not run |")?;
        }
        for run in runs {
            let verdict = if run.complaint.is_none() { "passed" } else { "**failed**" };
            write!(page, "| {id} | {fault} | {:x} |", run.seed)?;
            match &run.row {
                Some(row) => write_row(&mut page, row)?,
                None => write!(page, " | | | | | | | | | | |")?,
            }
            writeln!(page, " {verdict} |")?;
            let remarks = run.row.iter().flat_map(|row| &row.remarks);
            let remarks: Vec<&str> = remarks.map(String::as_str).collect();
            if !remarks.is_empty() {
                writeln!(notes, "- {id}, seed {:x}: {}.", run.seed, remarks.join("; "))?;
            }
            if let Some(complaint) = &run.complaint {
                let complaint = complaint.trim_end().replace('\n', "\n  ");
                writeln!(
                    notes,
                    "- {id}, seed {:x}, **failed**:\n\n  ```\n  {complaint}\n  ```\n",
                    run.seed
                )?;
            }
        }
    }
    write!(page, "\n## What each row demands besides\n\n{notes}")?;
    Ok(page)
}

fn write_row(page: &mut String, row: &Row) -> std::fmt::Result {
    let Row { offered, acked, lost, doubled, out_of_order, unknown, .. } = row;
    let Row { to_ack, to_delivery, resets, truncations, .. } = row;
    let away = row
        .outage
        .map_or("–".to_owned(), |away| format!("{}.{} s", away / 1_000_000, away / 100_000 % 10));
    write!(
        page,
        " {offered} | {acked} | {lost} | {doubled} | {out_of_order} | {unknown} | {to_ack} \
         | {to_delivery} | {away} | {resets} | {truncations} |"
    )
}
