//! Moderation: what is decided holds in the append itself, is recorded, and is told.
use std::time::Duration;

use hubbub::{
    adapter::{Heard, Hearing, Topic},
    clock,
    domain::{
        message::{Message, Pace, Terms},
        moderation::{Act, Deed, Reason, Subject},
        nickname::Nickname,
        presence::Person,
    },
    error::Error,
    store::log::Log,
};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*},
    words::{eventually, message, next, room, user},
};

fn named(name: &str) -> Subject {
    Subject::Name(Nickname::try_from(name.to_owned()).unwrap().skeleton())
}

fn from(address: &str) -> Subject {
    Subject::Address(address.parse().unwrap())
}

fn act(deed: Deed, place: Option<&str>, subject: Subject) -> Act {
    let by = Person { id: user("mod"), name: Some("mod".to_owned()), classic: false };
    Act {
        room: place.map(room),
        subject: Some(subject),
        reason: Reason::try_from("because".to_owned()).unwrap(),
        ..Act::new(clock::now_ms(), by, deed)
    }
}

/// A message of somebody who is known by id, name and address.
fn said_by(author: &str, place: &str) -> Message {
    let known_as = vec![Subject::User(user(author)), named(author), from("192.0.2.7")];
    let terms = Terms { known_as: known_as.into(), ..Terms::default() };
    Message { terms, ..message(place, author, "hello") }
}

async fn refused(log: &dyn Log, message: &Message) -> Error {
    log.append(message).await.expect_err("somebody may not speak")
}

async fn next_act(hearing: &mut Hearing) -> Act {
    loop {
        if let Heard::Act(act) = next(hearing).await {
            return *act;
        }
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn what_is_decided_holds_is_recorded_and_is_told_to_all(#[case] backend: Backend) {
    let mut opened = backend.open().await;
    let mut other = opened.another().await;
    let _here = opened.node.adapter.listen(Topic::Global).await.unwrap();
    let _lobby = opened.node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let _there = match &other {
        Some(other) => Some(other.adapter.listen(Topic::Global).await.unwrap()),
        None => None,
    };
    let moderation = opened.node.moderation.clone();
    let before = moderation.version().await.unwrap();
    let ban = act(Deed::Ban, None, named("troll"));
    let kick = act(Deed::Kick, Some("lobby"), Subject::User(user("ada")));

    moderation.decide(&ban).await.unwrap();
    moderation.decide(&kick).await.unwrap();

    assert_eq!(next_act(&mut opened.node.hearing).await, ban);
    assert_eq!(next_act(&mut opened.node.hearing).await, kick);
    if let Some(other) = &mut other {
        assert_eq!(next_act(&mut other.hearing).await, ban);
    }
    let asked = other.as_ref().map_or(&moderation, |other| &other.moderation);
    assert!(asked.version().await.unwrap() > before);
    let versions = asked.versions(&[room("lobby"), room("attic")]).await.unwrap();
    assert_eq!(versions, [asked.laid(Some(&room("lobby"))).await.unwrap().version, 0]);
    assert_eq!(versions[0], 1);
    let laid = asked.laid(None).await.unwrap();
    assert_eq!((laid.version, laid.acts), (asked.version().await.unwrap(), vec![ban.clone()]));
    assert_eq!(asked.record(None, 10).await.unwrap(), std::slice::from_ref(&ban));
    // Who was sent out may come back: a kick is nothing that holds.
    assert!(asked.laid(Some(&room("lobby"))).await.unwrap().acts.is_empty());
    assert_eq!(asked.record(Some(&room("lobby")), 10).await.unwrap(), [kick]);

    let unban = Act { deed: Deed::Unban, ..ban.clone() };
    moderation.decide(&unban).await.unwrap();
    assert!(asked.laid(None).await.unwrap().acts.is_empty());
    assert_eq!(asked.record(None, 10).await.unwrap(), [unban.clone(), ban]);
    assert_eq!(asked.record(None, 1).await.unwrap(), [unban]);
    // As many as the record has more: who knows the one knows how much of the other is new.
    assert_eq!(asked.version().await.unwrap(), before + 2);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_is_banned_or_muted_in_a_room_is_not_taken_there(
    #[case] backend: Backend,
    #[values(Deed::Ban, Deed::Mute)] deed: Deed,
) {
    let opened = backend.open().await;
    let (log, moderation) = (&*opened.node.log, &opened.node.moderation);
    let acked = said_by("troll", "lobby");
    let first = log.append(&acked).await.unwrap();
    for subject in [Subject::User(user("troll")), named("TROLL"), from("192.0.2.7")] {
        let measure = act(deed, Some("lobby"), subject.clone());
        moderation.decide(&measure).await.unwrap();

        match (deed, refused(log, &said_by("troll", "lobby")).await) {
            (Deed::Ban, Error::Banned { retry_after_ms: None })
            | (Deed::Mute, Error::Muted { retry_after_ms: None }) => {}
            (_, other) => panic!("{subject:?}: {other:?}"),
        }
        let held = moderation
            .held(&room("lobby"), &user("troll"), std::slice::from_ref(&subject))
            .await
            .unwrap();
        let (ban, mute) =
            if deed == Deed::Ban { (held.ban, held.mute) } else { (held.mute, held.ban) };
        assert_eq!((ban, mute), (Some(measure.clone()), None));
        // What was taken before is still known again, and elsewhere nothing holds.
        let again = log.append(&acked).await.unwrap();
        assert!(again.dup && again.position == first.position);
        log.append(&said_by("troll", "elsewhere")).await.unwrap();
        let exempt = Message { terms: Terms::default(), ..said_by("troll", "lobby") };
        log.append(&exempt).await.unwrap();

        let lift = if deed == Deed::Ban { Deed::Unban } else { Deed::Unmute };
        moderation.decide(&Act { deed: lift, ..measure }).await.unwrap();
        log.append(&said_by("troll", "lobby")).await.unwrap();
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn what_has_run_out_does_not_hold(#[case] backend: Backend) {
    let opened = backend.open().await;
    let (log, moderation) = (&*opened.node.log, &opened.node.moderation);
    let mute = act(Deed::Mute, Some("lobby"), Subject::User(user("troll")));
    let long = Act { until: Some(clock::now_ms() + 3_600_000), ..mute.clone() };
    moderation.decide(&long).await.unwrap();
    match refused(log, &said_by("troll", "lobby")).await {
        Error::Muted { retry_after_ms: Some(ms) } => assert!((1..=3_600_000).contains(&ms), "{ms}"),
        other => panic!("{other:?}"),
    }

    let short = Act { until: Some(clock::now_ms() + 300), ..mute };
    moderation.decide(&short).await.unwrap();

    eventually(|| async { log.append(&said_by("troll", "lobby")).await.ok() }).await;
    assert!(moderation.laid(Some(&room("lobby"))).await.unwrap().acts.is_empty());
    let known_as = [Subject::User(user("troll"))];
    let held = moderation.held(&room("lobby"), &user("troll"), &known_as).await.unwrap();
    assert!(held.mute.is_none());
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn in_slow_mode_each_author_waits_and_no_one_for_another(#[case] backend: Backend) {
    let opened = backend.open().await;
    let (log, moderation) = (&*opened.node.log, &opened.node.moderation);
    let slow = |pause| Act {
        subject: None,
        pause_ms: Some(pause),
        ..act(Deed::SlowMode, Some("lobby"), Subject::User(user("mod")))
    };
    moderation.decide(&slow(3_600_000)).await.unwrap();

    log.append(&said_by("ada", "lobby")).await.unwrap();
    match refused(log, &said_by("ada", "lobby")).await {
        Error::SlowMode { retry_after_ms: ms } => assert!((1..=3_600_000).contains(&ms), "{ms}"),
        other => panic!("{other:?}"),
    }
    log.append(&said_by("bob", "lobby")).await.unwrap();
    log.append(&said_by("ada", "elsewhere")).await.unwrap();
    let exempt = Message { terms: Terms::default(), ..said_by("ada", "lobby") };
    log.append(&exempt).await.unwrap();

    moderation.decide(&slow(0)).await.unwrap();
    log.append(&said_by("ada", "lobby")).await.unwrap();
}

/// One after the other on all nodes by turns, until one is refused; how many were taken, and how
/// long the last one has to wait.
async fn fill(logs: &[&dyn Log], message: impl Fn() -> Message) -> (u64, Duration) {
    for taken in 0.. {
        let log = logs[usize::try_from(taken).unwrap() % logs.len()];
        match log.append(&message()).await {
            Ok(_) => {}
            Err(Error::RateLimited { retry_after_ms }) => {
                return (taken, Duration::from_millis(retry_after_ms));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    unreachable!("a bucket has a bottom")
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn the_pace_of_an_author_and_of_a_room_is_one_for_all_nodes(#[case] backend: Backend) {
    let opened = backend.open().await;
    let others = [opened.another().await, opened.another().await];
    let mut logs: Vec<&dyn Log> = vec![&*opened.node.log];
    logs.extend(others.iter().flatten().map(|node| &*node.log));
    // Nothing comes back while the test lasts.
    let hour = 3_600_000_000;
    let author = Pace { every_us: hour, burst: 7 };
    let of_author = |who: &str| Message {
        terms: Terms { author, ..Terms::default() },
        ..message("lobby", who, "hello")
    };
    let (taken, wait) = fill(&logs, || of_author("ada")).await;
    assert_eq!(taken, 7);
    assert!(wait <= Duration::from_hours(1) && wait > Duration::from_mins(50), "{wait:?}");
    let (taken, _) = fill(&logs, || of_author("bob")).await;
    assert_eq!(taken, 7, "one does not take another's");

    let room = Pace { every_us: hour, burst: 5 };
    let mut turn = 0;
    let authors = ["ada", "bob", "cyd"];
    let cell = std::cell::RefCell::new(&mut turn);
    let of_room = || {
        let mut turn = cell.borrow_mut();
        **turn += 1;
        let terms = Terms { room, ..Terms::default() };
        Message { terms, ..message("hall", authors[**turn % 3], "hello") }
    };
    let (taken, _) = fill(&logs, of_room).await;
    assert_eq!(taken, 5);
}
