//! What clients write is what is read again, by whichever program it was written.
use std::{fmt::Debug, fs, io, path::Path};

use libtest_mimic::{Failed, Trial};

use super::{
    super::{Check, Run},
    world::{Plan, Trouble},
};
use crate::records::{Client, ClientRecords, Clock, Event, Name, Record, Recorder, text_hash};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("checker::keeps::what_a_pen_writes", pen),
        Trial::test("checker::keeps::a_run_that_is_judged_again", judged_again),
        Trial::test("checker::keeps::lines_of_another_program", other_program),
        Trial::test("checker::keeps::nothing_of_a_line_that_is_cut_off", cut_off),
    ]
}

fn same(one: &impl Debug, other: &impl Debug) -> Result<(), Failed> {
    let (one, other) = (format!("{one:?}"), format!("{other:?}"));
    if one == other { Ok(()) } else { Err(format!("{one}\nis not\n{other}").into()) }
}

fn ada() -> Client {
    let (name, kind) = (Name::new("ada-1"), Name::new("websocket"));
    Client { name, kind, rule: true, retries: true }
}

fn some_notes(folder: &Path) -> io::Result<ClientRecords> {
    let pen = Recorder::open(folder, ada(), Clock::start())?;
    let before = pen.note(Event::Joining { room: Name::new("hot"), since: None });
    let after = pen.note(Event::Closed);
    assert!(before <= after, "the clock goes on");
    pen.finish()
}

fn pen() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let written = some_notes(folder.path())?;
    same(&ClientRecords::read(&folder.path().join("ada-1.jsonl"))?, &written)?;
    if Recorder::open(folder.path(), ada(), Clock::start()).is_ok() {
        return Err("two clients of one name wrote to one file".into());
    }
    same(&written.records.len(), &2)
}

fn judged_again() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for trouble in Trouble::ALL {
        let run = Plan::new(1, trouble).run_once();
        run.write_facts(folder.path())?;
        for client in &run.clients {
            let lines = client.records.iter().map(serde_json::to_string);
            let lines = lines.collect::<Result<Vec<String>, _>>()?.join("\n");
            let first = serde_json::to_string(&client.client)?;
            let path = folder.path().join(format!("{}.jsonl", client.client.name));
            fs::write(path, format!("{first}\n{lines}\n"))?;
        }
        let again = Run::read(folder.path())?;
        same(&again.clients, &run.clients)?;
        same(&Check::new(&again).verdict(), &Check::new(&run).verdict())?;
    }
    Ok(())
}

fn other_program() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ada-1.jsonl");
    let lines = [
        r#"{"name":"ada-1","kind":"socket.io-client 4.8","rule":false,"retries":true}"#,
        r#"{"at":7,"event":"connected","node":"n","user":"u","connection":"c"}"#,
        r#"{"at":8,"event":"sent","n":1,"room":"r","mid":"0123456789abcdef","text_hash":3610a686}"#,
        r#"{"at":9,"event":"refused","n":1,"room":"r","mid":"0123456789abcdef","code":"unavailable",
            "outcome":"unknown","retryable":true}"#,
    ];
    // zlib.crc32("hello") of Node.
    let lines = lines.join("\n").replace("3610a686", "907060870").replace("\n            ", "");
    fs::write(&path, lines)?;
    let read = ClientRecords::read(&path)?;
    let Some(Record { at: 8, event: Event::Sent { text_hash: hash, .. } }) = read.records.get(1)
    else {
        return Err(format!("{read:?}").into());
    };
    same(hash, &text_hash("hello"))?;
    same(&read.records.len(), &3)
}

fn cut_off() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    some_notes(folder.path())?;
    let path = folder.path().join("ada-1.jsonl");
    let text = fs::read_to_string(&path)?;
    fs::write(&path, &text[..text.len() - 5])?;
    same(&ClientRecords::read(&path)?.records.len(), &1)?;
    // Anywhere else, it is no client's doing.
    fs::write(&path, text.replacen("joining", "joi", 1))?;
    let read = ClientRecords::read(&path);
    if read.is_ok() { Err("a broken line was passed over".into()) } else { Ok(()) }
}
