//! A copy of a node's file that is not what it was, and a process that is given it.
use std::{fmt, net::Ipv4Addr, path::PathBuf, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tempfile::TempDir;

use crate::{
    checker::History,
    common::{Http, Process, eventually_within},
    ports::free_port,
    records::Name,
    stage::Node,
    swarm::{Seat, Spec, Swarm, Transport},
};

const DECIDES_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Damaged {
    folder: TempDir,
    how: String,
    number: usize,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

impl Damaged {
    /// Every third is cut off; of the others a byte is another one.
    pub(super) fn of(sound: &[u8], number: usize, choices: &mut StdRng) -> Self {
        let mut bytes = sound.to_vec();
        let at = choices.random_range(0..bytes.len());
        let how = if number.is_multiple_of(3) {
            bytes.truncate(at);
            format!("cut off at {at} of {}", sound.len())
        } else {
            bytes[at] ^= choices.random_range(1..=u8::MAX);
            format!("byte {at} of {} changed", sound.len())
        };
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("hubbub.redb"), bytes).unwrap();
        Self { folder, how, number }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hubbub.redb")
    }

    /// Whether a process serves the truth from it (`true`), or says that it cannot.
    pub(super) async fn is_opened_by(
        &self,
        node: &Node,
        swarm: &Swarm,
        truth: &[History],
    ) -> Result<bool, String> {
        let [public, internal] =
            [free_port(), free_port()].map(|port| (Ipv4Addr::LOCALHOST, port).into());
        let url = format!("embedded:{}", self.file().display());
        let settings = node.settings().clone().with("store.url", url);
        let settings = settings.with("server.listen", public).with("internal.listen", internal);
        let process = Process::node(&settings);
        let decided = || async {
            let ended = process.has_ended().map(Some);
            let ready = async { Http::connect(internal).await.ok()?.get("/readyz").await.ok() };
            let ready = ready.await.is_some_and(|answer| answer.status == 200);
            ended.or(ready.then_some(None))
        };
        let decided = eventually_within(DECIDES_WITHIN, "it is ready, or ends", decided).await;
        if let Some(status) = decided {
            let said = process.said_until_the_end().await;
            let is_told =
                status.code() == Some(1) && said.iter().any(|line| line.contains("the store"));
            return if is_told { Ok(false) } else { Err(format!("{status:?}, {said:?}")) };
        }
        let seat = swarm.add(Spec {
            name: Name::new(&format!("reader-{}", self.number)),
            transport: Transport::WebSocket,
            ways: vec![public],
            rooms: Vec::new(),
            a_second: None,
            window: None,
            session: None,
            bearer: None,
        });
        let connected = || async { seat.status().node };
        eventually_within(DECIDES_WITHIN, "it lets somebody in", connected).await;
        let read = serves(swarm, &seat, truth).await;
        seat.closes();
        process.signal(rustix::process::Signal::TERM);
        let ended = || async { process.has_ended() };
        eventually_within(DECIDES_WITHIN, "it ends", ended).await;
        read
    }
}

/// Whether all that a node gives is the truth (`true`), or some is refused.
async fn serves(swarm: &Swarm, seat: &Seat, truth: &[History]) -> Result<bool, String> {
    let mut is_whole = true;
    for room in truth {
        let join = serde_json::json!({ "room": room.room, "limit": 1 });
        seat.asks("room:join", join).await.ok_or("no answer to a join")?;
        match swarm.reads_by(seat, room.room).await {
            Ok(lines) if lines == room.entries => {}
            Ok(lines) => {
                let (is, was) = (lines.len(), room.entries.len());
                return Err(format!(
                    "{} is read as {is} messages that are not the {was}",
                    room.room
                ));
            }
            // Refused, and said so.
            Err(code) if ["internal", "unavailable", "not_member"].contains(&code.as_str()) => {
                is_whole = false;
            }
            Err(code) => return Err(format!("{} is answered {code}", room.room)),
        }
    }
    Ok(is_whole)
}
