//! Many who come into one room at once, as after the death of a node: the log is read for all.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch};

use crate::harness::{
    Alone, Cluster, MessageNew, Node, Redis, Settings, User, beside, heavy, messages, new_mid,
};

const COMING: usize = 200;
/// What had been said before.
const SAID: usize = 520;
/// The most reads of the store that all of them together may cost.
const MOST_READS: usize = 5;

/// Nothing but joins reads the log.
fn quiet() -> Settings {
    Settings::default()
        .unlimited()
        .with("rooms.position_check", "1h")
        .with("presence.assert", "1h")
        .with("store.retention_age", "0s")
}

/// Says this much, without waiting for each ack.
async fn says_much(user: &User, count: usize) -> Vec<MessageNew> {
    let said: Vec<u64> = (0..count)
        .map(|n| user.begin("message:send", user.message(&new_mid(), &n.to_string())))
        .collect();
    for id in said {
        assert_eq!(user.answer_to(id).await["ok"], true);
    }
    let mut heard = Vec::new();
    for _ in 0..count {
        heard.push(user.hears().await);
    }
    heard
}

/// Goes on talking until told to stop; how much it said.
fn goes_on_talking(user: Arc<User>, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    beside(async move {
        let mut said = 0;
        while !stop.load(Ordering::Acquire) {
            user.say("meanwhile").await;
            said += 1;
        }
        said
    })
}

/// Its answer to a join; on a machine that is too busy it asks again, as a client does.
async fn joined(user: &User, asked: u64, join: &Value) -> Value {
    let mut page = user.answer_to(asked).await;
    while page["ok"] == false {
        assert_eq!(page["error"]["code"], "unavailable", "{page}");
        page = user.ask("room:join", join.clone()).await;
    }
    page
}

/// Joins, pages what it missed, and hears until a number: every number after its cursor, as a
/// client has them.
async fn comes_back(user: &User, asked: u64, join: &Value, until: impl Future<Output = u64>) {
    let page = joined(user, asked, join).await;
    assert_eq!((&page["reset"], &page["truncated"]), (&json!(false), &json!(false)));
    let mut has: Vec<u64> = messages(&page).iter().map(|message| message.seq).collect();
    let mut more = page["has_more"] == true;
    let mut upto = page["upto"].as_u64().unwrap();
    while more {
        let ask = json!({ "room": "lobby", "after": upto, "limit": 200 });
        let page = user.granted("message:history", ask).await;
        has.extend(messages(&page).iter().map(|message| message.seq));
        more = page["more_after"] == true;
        upto = if more { *has.last().unwrap() } else { page["head"].as_u64().unwrap() };
    }
    let last = until.await;
    while upto < last {
        let heard = user.hears().await.seq;
        // Live begins after the first page; what was paged meanwhile comes twice.
        if heard > upto {
            has.push(heard);
            upto = heard;
        }
    }
    let first = join["since"]["seq"].as_u64().unwrap() + 1;
    assert!(has.iter().copied().eq(first..=last), "from {first} to {last} it has {has:?}");
}

/// From now on Redis writes down every command.
async fn writes_down(redis: &Redis) {
    redis.run("CONFIG SET slowlog-max-len 100000").await.unwrap();
    redis.run("CONFIG SET slowlog-log-slower-than 0").await.unwrap();
    redis.run("SLOWLOG RESET").await.unwrap();
}

/// How often the log of the lobby was read, or its head, since then.
async fn reads_of_the_lobby(redis: &Redis) -> usize {
    let log = redis.run("SLOWLOG GET -1").await.unwrap();
    let of = |words: &[&str]| {
        let words: Vec<String> =
            words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        log.matches(&words.concat()).count()
    };
    let pages = ["after", "newest", "before", "around"].map(|kind| of(&["{r:lobby}:log", kind]));
    // What a script reads is written down as well, as if by nobody.
    let head = ["HMGET", "{r:lobby}:meta", "e", "s", "m"];
    let by_scripts = of(&["HMGET", "{r:lobby}:meta", "e", "s", "m", "?:0"]);
    pages.iter().sum::<usize>() + of(&head) - by_scripts
}

/// What they may cost: one more for every ten seconds a busy machine needs for all of them, which
/// is for how long memory is trusted.
fn is_little(reads: usize, took: Duration) {
    let most = MOST_READS + usize::try_from(took.as_secs() / 10).unwrap();
    assert!((1..=most).contains(&reads), "{reads} reads in {took:?}");
}

async fn newcomers(node: &Node) -> Vec<User> {
    let mut users = Vec::new();
    for n in 0..COMING / 20 {
        users.extend(join_all((0..20).map(|m| welcomed(node, n * 20 + m))).await);
    }
    users
}

async fn welcomed(node: &Node, n: usize) -> User {
    node.welcome(&format!("guest {n}")).await
}

#[rstest]
#[case::where_nobody_was(false)]
#[case::where_somebody_was(true)]
#[tokio::test]
async fn two_hundred_who_come_back_at_once_cost_five_reads_and_miss_nothing(
    #[case] is_hosted: bool,
) {
    let _turn = heavy().await;
    let redis = Arc::new(Redis::start().await);
    let [here, there] = Cluster::start_on(redis.clone(), quiet()).await;
    let ada = Arc::new(there.join("ada", "lobby").await);
    let said = says_much(&ada, SAID).await;
    let bob = if is_hosted { Some(here.join("bob", "lobby").await) } else { None };
    let users = newcomers(&here).await;
    let stop = Arc::new(AtomicBool::new(false));
    let talking = goes_on_talking(ada.clone(), stop.clone());

    writes_down(&redis).await;
    let began = Instant::now();
    // They were not all cut off at the same message.
    let payload =
        |n: usize| json!({ "room": "lobby", "since": said[10 + n % 17].cursor(), "limit": 200 });
    let joins: Vec<Value> = (0..COMING).map(payload).collect();
    let begin = |(user, join): (&User, &Value)| user.begin("room:join", join.clone());
    let asked: Vec<u64> = users.iter().zip(&joins).map(begin).collect();
    // Ada talks until all have caught up with what was said before.
    let caught_up = Barrier::new(COMING + 1);
    let (last, ends) = watch::channel(0);
    let coming = users.iter().zip(&joins).zip(asked).map(|((user, join), asked)| {
        let until = async {
            caught_up.wait().await;
            *ends.clone().wait_for(|last| *last > 0).await.unwrap()
        };
        comes_back(user, asked, join, until)
    });
    let ending = async {
        caught_up.wait().await;
        stop.store(true, Ordering::Release);
        last.send((SAID + talking.await.unwrap()) as u64).unwrap();
    };
    join(join_all(coming), ending).await;

    let reads = reads_of_the_lobby(&redis).await;
    is_little(reads, began.elapsed());
    let from_memory = here.metric_of("hubbub_join_reads_total", "from=\"memory\"").await;
    // A page to begin with, and two to catch up.
    assert!(from_memory >= 2 * i64::try_from(COMING).unwrap(), "{from_memory} from memory");
    drop(bob);
}

#[derive(Debug, Clone, Copy)]
enum Coming {
    /// Without a past.
    Anew,
    /// With that of another log.
    FromElsewhere,
    /// After what is kept.
    TooLate,
    /// Into a room nobody has written in.
    First,
}

#[rstest]
#[case::anew(Coming::Anew)]
#[case::from_elsewhere(Coming::FromElsewhere)]
#[case::too_late(Coming::TooLate)]
#[case::first(Coming::First)]
#[tokio::test]
async fn nor_do_others_cost_more(#[case] coming: Coming) {
    let _turn = heavy().await;
    let redis = Arc::new(Redis::start().await);
    let settings = quiet().with("store.retention_messages", 40);
    let [here, there] = Cluster::start_on(redis.clone(), settings).await;
    let ada = there.join("ada", "lobby").await;
    let said = match coming {
        Coming::First => Vec::new(),
        _ => says_much(&ada, 60).await,
    };
    let users = newcomers(&here).await;
    let since = match coming {
        Coming::Anew => Value::Null,
        Coming::FromElsewhere => json!({ "epoch": "another-epoch", "seq": 5 }),
        Coming::TooLate => said[3].cursor(),
        Coming::First => json!({ "epoch": null, "seq": 0 }),
    };

    writes_down(&redis).await;
    let began = Instant::now();
    let join = json!({ "room": "lobby", "since": since, "limit": 30 });
    let asked: Vec<u64> = users.iter().map(|user| user.begin("room:join", join.clone())).collect();
    let mut pages = Vec::new();
    for (user, id) in users.iter().zip(asked) {
        pages.push(joined(user, id, &join).await);
    }
    let reads = reads_of_the_lobby(&redis).await;
    ada.say("the next").await;

    is_little(reads, began.elapsed());
    let reset = matches!(coming, Coming::FromElsewhere);
    let truncated = matches!(coming, Coming::TooLate);
    for (user, page) in users.iter().zip(pages) {
        assert_eq!((&page["reset"], &page["truncated"]), (&json!(reset), &json!(truncated)));
        let seqs: Vec<u64> = messages(&page).iter().map(|message| message.seq).collect();
        let expected = if said.is_empty() { vec![] } else { (31..=60).collect() };
        assert_eq!((seqs, &page["has_more"]), (expected, &json!(false)));
        assert_eq!(page["first"], if said.is_empty() { 1 } else { 21 });
        assert_eq!(user.hears_texts(1).await, ["the next"]);
    }
}

#[tokio::test]
async fn a_node_alone_reads_its_file_no_more_often() {
    let _turn = heavy().await;
    let node = Alone::start_with(quiet()).await;
    let ada = node.join("ada", "lobby").await;
    let said = says_much(&ada, SAID).await;
    let users = newcomers(&node).await;

    let began = Instant::now();
    let join = json!({ "room": "lobby", "since": said[10].cursor(), "limit": 200 });
    let asked: Vec<u64> = users.iter().map(|user| user.begin("room:join", join.clone())).collect();
    for (user, id) in users.iter().zip(asked) {
        let page = joined(user, id, &join).await;
        assert!(messages(&page).iter().map(|message| message.seq).eq(12..=211), "{page}");
    }

    let reads = node.metric_of("hubbub_join_reads_total", "from=\"store\"").await;
    is_little(usize::try_from(reads).unwrap(), began.elapsed());
}
