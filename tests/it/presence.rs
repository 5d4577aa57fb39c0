//! Who is there: users and not connections, on whichever node, and how soon the dead are noticed.
use std::time::Duration;

use rstest::rstest;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Arrival, Cluster, Node, Settings, Stage, Stopwatch, User, eventually};

/// How soon a dead node's people are gone.
const DEAD_NODE_WITHIN: Duration = Duration::from_secs(15);

fn hurried() -> Settings {
    Settings::default().hurried()
}

/// Another tab of the same person, in the same room.
async fn tab(of: &User, at: &Node, room: &str) -> User {
    let tab = Arrival::of(of.name()).back_as(of.session()).at(at).await;
    tab.join(room).await;
    tab
}

/// How often somebody was told to have joined and left, in what was not looked at yet.
fn told_of(watcher: &User, user: &User) -> (usize, usize) {
    let told = watcher.so_far("presence:changed");
    let count = |what: &str| {
        let people = told.iter().flat_map(|told| told[what].as_array().unwrap());
        people.filter(|person| person["id"] == user.id()).count()
    };
    (count("joined"), count("left"))
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn two_tabs_are_one_user_until_both_are_closed(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start_with(hurried()).await;
    let bob = yonder.join("bob", "lobby").await;
    let ada = here.join("ada", "lobby").await;
    bob.is_told("joined", &ada).await;
    let other_tab = tab(&ada, &there, "lobby").await;
    assert_eq!(bob.sees_in("lobby").await.len(), 2);

    ada.bye().await;
    // A marker: who leaves after the first tab is told to have left.
    let cyd = here.join("cyd", "lobby").await;
    cyd.drop_connection().await;
    bob.is_told("left", &cyd).await;
    let after_one = bob.sees_in("lobby").await;
    other_tab.drop_connection().await;
    let told = bob.is_told("left", &ada).await;

    assert_eq!(after_one.len(), 2);
    assert_eq!(told["count"], 1);
    let dan = here.join("dan", "lobby").await;
    bob.is_told("joined", &dan).await;
    assert_eq!(told_of(&bob, &ada), (0, 0));
    assert!(!bob.sees_in("lobby").await.contains(&ada.id().to_owned()));
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_comes_back_within_the_grace_was_never_away(#[case] stage: Stage) {
    // Long enough to come back on a busy machine.
    let settings = hurried().with("presence.grace", "8s");
    let [here, there, yonder] = stage.start_with(settings).await;
    let bob = yonder.join("bob", "lobby").await;
    let ada = here.join("ada", "lobby").await;
    let cyd = here.join("cyd", "lobby").await;
    bob.is_told("joined", &ada).await;

    ada.drop_connection().await;
    let back = tab(&ada, &there, "lobby").await;
    // A marker: cyd's grace ends after ada's would have.
    cyd.drop_connection().await;
    let left = |user: &User, told: &Value| {
        told["left"].as_array().unwrap().iter().any(|person| person["id"] == user.id())
    };
    loop {
        let told = bob.next("presence:changed").await;
        assert!(!left(&ada, &told), "ada was told to have left");
        if left(&cyd, &told) {
            break;
        }
    }

    assert!(bob.sees_in("lobby").await.contains(&back.id().to_owned()));
}

#[rstest]
#[case::by_default(Settings::default())]
#[case::in_a_hurry(hurried())]
#[tokio::test]
async fn a_killed_nodes_people_are_gone_soon_and_others_stay(#[case] settings: Settings) {
    let [here, there, yonder] = Cluster::start_with(settings).await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let cyd = yonder.join("cyd", "lobby").await;
    assert_eq!(bob.sees_in("lobby").await.len(), 3);

    here.kill().await;
    let dead = Stopwatch::start();

    eventually("ada is gone", || async {
        let seen = bob.sees_in("lobby").await;
        assert!([&bob, &cyd].iter().all(|user| seen.contains(&user.id().to_owned())));
        (!seen.contains(&ada.id().to_owned())).then_some(())
    })
    .await;
    assert!(dead.elapsed() < DEAD_NODE_WITHIN, "ada was there for {:?}", dead.elapsed());
    cyd.is_told("left", &ada).await;
}

#[tokio::test]
async fn a_node_that_was_thought_dead_brings_its_people_back() {
    let [here, there, _] = Cluster::start_with(hurried()).await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let sees_ada = async || bob.sees_in("lobby").await.contains(&ada.id().to_owned());

    here.signal(Signal::STOP);
    eventually("ada is gone", || async { (!sees_ada().await).then_some(()) }).await;
    here.signal(Signal::CONT);

    eventually("ada is back", || async { sees_ada().await.then_some(()) }).await;
    ada.say("I was only asleep").await;
    assert_eq!(bob.hears_texts(1).await, ["I was only asleep"]);
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn after_everything_was_killed_nobody_is_there(#[case] stage: Stage) {
    let nodes = stage.start_with(hurried()).await;
    let ada = nodes[0].join("ada", "lobby").await;
    let bob = nodes[1].join("bob", "lobby").await;
    assert_eq!(bob.sees_in("lobby").await.len(), 2);
    ada.say("a room somebody has written in").await;

    for node in &nodes {
        node.kill().await;
    }
    nodes[0].start_again().await;

    let cyd = nodes[0].join("cyd", "lobby").await;
    eventually("only cyd is there", || async {
        (cyd.sees_in("lobby").await == [cyd.id()]).then_some(())
    })
    .await;
}

#[rstest]
#[case::alone(Stage::Alone)]
#[case::cluster(Stage::Cluster)]
#[tokio::test]
async fn who_is_online_can_be_asked_without_sharing_a_room(#[case] stage: Stage) {
    let [here, there, yonder] = stage.start_with(hurried()).await;
    let ada = here.welcome("ada").await;
    let bob = there.welcome("bob").await;
    let cyd = yonder.welcome("cyd").await;
    let online = async || {
        let ask = json!({ "users": [ada.id(), "g_nobody", bob.id()] });
        let users = cyd.granted("presence:get", ask).await["users"].take();
        users.as_array().unwrap().iter().map(|user| user["online"] == true).collect::<Vec<_>>()
    };

    let both = online().await;
    bob.bye().await;

    assert_eq!(both, [true, false, true]);
    eventually("bob is offline", || async {
        (online().await == [true, false, false]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn presence_heals_after_redis_has_forgotten_everything() {
    let [here, there, _] = Cluster::start_with(hurried()).await;
    let ada = here.join("ada", "lobby").await;
    let bob = there.join("bob", "lobby").await;
    let mut both = [ada.id().to_owned(), bob.id().to_owned()];
    both.sort();

    here.redis().run("FLUSHALL").await.unwrap();

    eventually("both are there again", || async {
        (bob.sees_in("lobby").await == both).then_some(())
    })
    .await;
    let ask = json!({ "users": [ada.id()] });
    assert_eq!(bob.granted("presence:get", ask).await["users"][0]["online"], true);
}
