//! Every row of `tests/bad_inputs.toml`, beside a healthy user who must notice nothing.
mod line;
mod rates;
mod requests;
mod steps;
mod table;
mod verdict;
mod vitals;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use self::{
    line::Line,
    table::{Expected, Layer, Row, prefix, rows},
    verdict::{is_granted, judge, judge_entry},
    vitals::Vitals,
};
use crate::harness::{Node, Settings, Stage, Stopwatch, Transport, User, eventually};

/// Rows between two looks at the healthy user.
const BATCH: usize = 40;
/// How many try to enter at once; each has less than a second to hear a refusal by polling.
const AT_ONCE: usize = 16;
/// How long the healthy user may wait for an answer.
const QUICK: Duration = Duration::from_secs(1);
/// Where the healthy user is; the room of the tutorials too.
const ROOM: &str = "lobby";
/// Where nobody ever says anything.
const QUIET: &str = "quiet";

#[rstest]
#[tokio::test]
async fn bad_inputs_are_answered_as_the_table_says_and_disturb_nobody(
    #[values(Stage::Alone, Stage::Cluster)] stage: Stage,
    #[values(Transport::WebSocket, Transport::Polling)] transport: Transport,
) {
    let settings = Settings::default().unlimited().with("limits.renames_per_minute", 1_000_000);
    let nodes = stage.start_with(settings).await;
    let mut healthy = Healthy::arrives(&nodes).await;
    let vitals: Vec<Vitals> = distinct(&nodes).iter().map(Vitals::of).collect();
    let mut attacker = Attacker::of(stage, transport, &nodes);
    let (entries, others): (Vec<Row>, Vec<Row>) =
        rows().into_iter().partition(|row| row.layer == Layer::Connect);

    attacker.knock(&entries).await;
    healthy.notices_nothing().await;
    for batch in others.chunks(BATCH) {
        for row in batch {
            if let Some(text) = attacker.try_row(row).await {
                healthy.expects.push(text);
            }
        }
        healthy.notices_nothing().await;
    }

    let wrong = attacker.leaves();
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
    healthy.is_alone(&nodes).await;
    healthy.finds_what_was_accepted().await;
    for vitals in &vitals {
        vitals.are_as_before().await;
    }
}

fn distinct(nodes: &[Arc<Node>; 3]) -> &[Arc<Node>] {
    if Arc::ptr_eq(&nodes[0], &nodes[1]) { &nodes[..1] } else { nodes }
}

/// Who sends all this, a row at a time, from node to node.
struct Attacker {
    stage: Stage,
    transport: Transport,
    nodes: [Arc<Node>; 3],
    /// Sessions that are still open, by node and namespace.
    lines: HashMap<(usize, String), Line>,
    turn: usize,
    wrong: Vec<String>,
}

impl Attacker {
    fn of(stage: Stage, transport: Transport, nodes: &[Arc<Node>; 3]) -> Self {
        let (nodes, lines) = (nodes.clone(), HashMap::new());
        Self { stage, transport, nodes, lines, turn: 0, wrong: Vec::new() }
    }

    /// Sends a row; the text that it put into the room, if it was accepted.
    async fn try_row(&mut self, row: &Row) -> Option<String> {
        self.turn += 1;
        let node = self.turn % distinct(&self.nodes).len();
        let namespace = row.namespace().to_owned();
        let key = (node, namespace.clone());
        let mut line = match self.lines.remove(&key) {
            Some(line) => line,
            None => self.enter(node, &namespace).await,
        };
        let packet = row.engine_packet();
        line.send(&packet).await;
        let came = match row.expect {
            Expected::Closed => line.hear_the_end().await,
            Expected::Says => line.hear_said(&row.frame(), &namespace).await,
            _ => line.hear_out(&namespace).await,
        };
        if !came.closed && !came.stuck {
            self.lines.insert(key, line);
        }
        if let Err(came) = judge(row, &packet, &came) {
            self.wrong(row, &came);
        }
        is_granted(row, &came).then(|| text_said(&packet)).flatten()
    }

    async fn enter(&self, node: usize, namespace: &str) -> Line {
        let rooms: &[&str] = if namespace == "/" { &[] } else { &[ROOM, QUIET] };
        Line::enter(self.transport, self.nodes[node].address(), namespace, rooms).await
    }

    /// Many try to enter at once: who is refused may stay for a moment.
    async fn knock(&mut self, rows: &[Row]) {
        let nodes = &self.nodes;
        let knock = |(n, row): (usize, &Row)| {
            let (transport, address) = (self.transport, nodes[n % nodes.len()].address());
            let (packet, row) = (row.engine_packet(), row.clone());
            async move {
                let mut line = Line::open(transport, address).await;
                line.send(&packet).await;
                let first = format!("40{}", prefix(row.namespace()));
                let came = if row.expect == Expected::Ok {
                    let mut came = line.hear_until(|frame| frame.starts_with(&first)).await;
                    came.frames.push(first);
                    came
                } else {
                    line.hear_the_end().await
                };
                judge_entry(&row, &came)
            }
        };
        let mut results = Vec::new();
        for rows in rows.iter().enumerate().collect::<Vec<_>>().chunks(AT_ONCE) {
            results.extend(join_all(rows.iter().copied().map(knock)).await);
        }
        for (row, result) in rows.iter().zip(results) {
            if let Err(came) = result {
                self.wrong(row, &came);
            }
        }
    }

    fn wrong(&mut self, row: &Row, came: &str) {
        let (stage, transport) = (self.stage, self.transport);
        let expected = row.to_string();
        self.wrong.push(format!(
            "{} ({transport:?}, {stage:?}): expected {expected}, came {came}",
            row.id
        ));
    }

    fn leaves(self) -> Vec<String> {
        self.wrong
    }
}

/// The text an event puts into the room, if it is one that says something.
fn text_said(packet: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        text: Value,
    }
    // What else an argument holds is not looked at: it may be too deep.
    let event: Vec<&RawValue> = serde_json::from_str(&packet[packet.find('[')?..]).ok()?;
    let arg = event.get(1)?.get();
    let text = match event[0].get().trim_matches('"') {
        "message:send" | "msg:post" => serde_json::from_str::<Said>(arg).ok()?.text,
        "chat message" | "message" => serde_json::from_str(arg).ok()?,
        _ => return None,
    };
    Some(match text {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// Somebody who listens, and somebody who speaks to them now and then.
struct Healthy {
    listener: User,
    speaker: User,
    /// What must have been said in the room, in order.
    expects: Vec<String>,
    heard: usize,
}

impl Healthy {
    async fn arrives(nodes: &[Arc<Node>; 3]) -> Self {
        let listener = nodes[0].join("listener", ROOM).await;
        let speaker = nodes[2].join("speaker", ROOM).await;
        let mut healthy = Self { listener, speaker, expects: Vec::new(), heard: 0 };
        healthy.notices_nothing().await;
        healthy
    }

    /// Is answered quickly, and hears what was accepted, a marker, and nothing else.
    async fn notices_nothing(&mut self) {
        let watch = Stopwatch::start();
        for user in [&self.listener, &self.speaker] {
            user.granted("system:ping", json!({})).await;
        }
        assert!(watch.elapsed() < QUICK, "a ping took {:?}", watch.elapsed());
        let marker = format!("marker {}", self.expects.len());
        self.speaker.say(&marker).await;
        self.expects.push(marker);
        for expected in self.expects.drain(self.heard..).collect::<Vec<_>>() {
            let heard = self.listener.next("message:new").await;
            assert_eq!(heard["text"], expected);
            self.expects.push(expected);
        }
        self.heard = self.expects.len();
        self.listener.so_far("presence:changed");
        self.listener.so_far("room:head");
        let unread = self.listener.unread();
        assert!(!unread.contains("Event {"), "the healthy user was told: {unread}");
    }

    /// The attackers' sessions end with them.
    async fn is_alone(&self, nodes: &[Arc<Node>; 3]) {
        eventually("nobody else is left", || async {
            let mut sessions = 0;
            for node in distinct(nodes) {
                sessions += node.metric("hubbub_sessions").await;
            }
            (sessions <= 2).then_some(())
        })
        .await;
        assert!(self.listener.is_connected() && self.speaker.is_connected());
    }

    async fn finds_what_was_accepted(&self) {
        let page = json!({ "room": ROOM, "limit": 200 });
        let page = self.listener.granted("message:history", page).await;
        let stored: Vec<&Value> = page["messages"].as_array().unwrap().iter().collect();
        let stored: Vec<&str> = stored.iter().map(|said| said["text"].as_str().unwrap()).collect();
        assert_eq!(stored, self.expects);
        let listed = self.listener.granted("room:list", json!({})).await;
        let rooms = json!([{ "room": ROOM, "head": self.expects.len() }]);
        assert_eq!(listed["rooms"], rooms);
    }
}
