//! Roles: they hold in the append itself, change only as they were seen, and are found by who has them.
use hubbub::{
    adapter::{Heard, Topic},
    clock,
    domain::{
        id::RoomId,
        message::{Message, Terms},
        moderation::{Act, Deed, Subject},
        presence::Person,
        room::{Kind, Membership, RoomRole},
    },
    error::Error,
    store::{
        log::Log,
        roles::{Change, Holders, Roles},
    },
};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*},
    words::{message, next, room, say, user},
};

const MOST_ROOMS: usize = 3;

fn private() -> RoomId {
    clock::new_private_room(None).unwrap()
}

/// Somebody becomes something in a room, whatever they were.
fn given(place: &RoomId, who: &str, role: Option<RoomRole>) -> Change {
    let by = Person { id: user("mod"), name: None, classic: false };
    let deed = if role.is_some() { Deed::Invite } else { Deed::Uninvite };
    let subject = Some(Subject::User(user(who)));
    let act = Act::new(clock::now_ms(), by, deed);
    Change {
        act: Act { room: Some(place.clone()), subject, role, ..act },
        is_new: false,
        seen: Vec::new(),
        becomes: vec![(user(who), role)],
        most_rooms: MOST_ROOMS,
    }
}

async fn give(roles: &dyn Roles, place: &RoomId, who: &str, role: RoomRole) {
    assert!(roles.change(&given(place, who, Some(role))).await.unwrap());
}

/// What somebody says who is held to what holds in a room.
fn said(place: &RoomId, author: &str) -> Message {
    let known_as = vec![Subject::User(user(author))];
    let terms = Terms { known_as: known_as.into(), ..Terms::default() };
    Message { terms, ..message(place.as_str(), author, "hello") }
}

async fn code(log: &dyn Log, message: &Message) -> &'static str {
    match log.append(message).await {
        Ok(_) => "ok",
        Err(error) => (&error).into(),
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn only_who_has_a_role_writes_in_a_private_room(#[case] backend: Backend) {
    use RoomRole::{Member, Moderator, Owner, ReadOnly};
    let opened = backend.open().await;
    let (log, roles) = (&*opened.node.log, &*opened.node.roles);
    let den = private();
    for who in [said(&den, "ada"), Message { terms: Terms::default(), ..said(&den, "ada") }] {
        assert_eq!(code(log, &who).await, "not_member", "nobody may, whatever the terms");
    }
    for (role, says) in [(Member, "ok"), (ReadOnly, "forbidden"), (Moderator, "ok"), (Owner, "ok")]
    {
        give(roles, &den, "ada", role).await;
        assert_eq!(code(log, &said(&den, "ada")).await, says, "{role:?}");
        assert_eq!(code(log, &said(&den, "bob")).await, "not_member");
    }

    assert!(roles.change(&given(&den, "ada", None)).await.unwrap());

    assert_eq!(code(log, &said(&den, "ada")).await, "not_member");
    // Not among the rooms anybody may know of, though it has been written in.
    say(log, "lobby", "hello").await;
    assert_eq!(log.rooms(None, 10).await.unwrap(), [room("lobby")]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn where_things_are_announced_only_who_keeps_order_writes(#[case] backend: Backend) {
    let opened = backend.open().await;
    let (log, moderation) = (&*opened.node.log, &*opened.node.moderation);
    let roles = &*opened.node.roles;
    let news = room("news");
    let mut founding = given(&news, "ada", Some(RoomRole::Owner));
    founding.act.announce = Some(true);
    founding.is_new = true;

    assert!(roles.change(&founding).await.unwrap());
    assert!(!roles.change(&founding).await.unwrap(), "there is such a room already");
    give(roles, &news, "bob", RoomRole::Member).await;
    give(roles, &news, "cyd", RoomRole::Moderator).await;

    for (who, says) in [("ada", "ok"), ("bob", "forbidden"), ("cyd", "ok"), ("dan", "forbidden")] {
        assert_eq!(code(log, &said(&news, who)).await, says, "{who}");
    }
    let exempt = Message { terms: Terms::default(), ..said(&news, "dan") };
    assert_eq!(code(log, &exempt).await, "ok", "who keeps order everywhere");
    let held = moderation.held(&news, &user("bob"), &[]).await.unwrap();
    assert_eq!((held.role, held.announce, held.is_founded), (Some(RoomRole::Member), true, true));
    // Measures of the room hold against those who do not keep order there.
    for who in ["bob", "cyd"] {
        let subject = Some(Subject::User(user(who)));
        let mute = Act { subject, role: None, deed: Deed::Mute, ..founding.act.clone() };
        moderation.decide(&mute).await.unwrap();
    }
    assert_eq!(code(log, &said(&news, "bob")).await, "muted");
    assert_eq!(code(log, &said(&news, "cyd")).await, "ok");
    assert_eq!(moderation.laid(Some(&news)).await.unwrap().acts.len(), 2, "roles are no measures");

    let open = Act { announce: Some(false), deed: Deed::Announce, ..founding.act.clone() };
    moderation.decide(&open).await.unwrap();
    assert_eq!(code(log, &said(&news, "dan")).await, "ok");
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_room_that_somebody_has_written_in_is_nobody_s_to_found(#[case] backend: Backend) {
    let opened = backend.open().await;
    say(&*opened.node.log, "hall", "hello").await;
    let founding = given(&room("hall"), "ada", Some(RoomRole::Owner));

    let made = opened.node.roles.change(&Change { is_new: true, ..founding }).await.unwrap();

    assert!(!made);
    let held = opened.node.moderation.held(&room("hall"), &user("ada"), &[]).await.unwrap();
    assert_eq!((held.role, held.is_founded), (None, false));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_change_is_made_as_it_was_seen_recorded_and_told_or_not_at_all(#[case] backend: Backend) {
    let mut opened = backend.open().await;
    let other = opened.another().await;
    let den = private();
    let _den = opened.node.adapter.listen(Topic::Room(den.clone())).await.unwrap();
    let roles = opened.node.roles.clone();
    give(&*roles, &den, "ada", RoomRole::Owner).await;
    let asked = other.as_ref().map_or(&roles, |other| &other.roles);
    // The room is handed on by who was its owner when that was looked at; twice, at once.
    let handed = |to: &str| Change {
        seen: vec![(user("ada"), Some(RoomRole::Owner)), (user(to), None)],
        becomes: vec![(user(to), Some(RoomRole::Owner)), (user("ada"), Some(RoomRole::Moderator))],
        ..given(&den, to, Some(RoomRole::Owner))
    };

    let (bob, cyd) = (handed("bob"), handed("cyd"));
    let (one, two) = tokio::join!(roles.change(&bob), asked.change(&cyd));

    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one, two, "one was quicker");
    let all = asked.roles(&den, &["ada", "bob", "cyd"].map(user)).await.unwrap();
    let owner = |is| if is { Some(RoomRole::Owner) } else { None };
    assert_eq!(all, [Some(RoomRole::Moderator), owner(one), owner(two)]);
    let made = if one { bob.act } else { cyd.act };
    loop {
        if let Heard::Act(act) = next(&mut opened.node.hearing).await
            && act.role == Some(RoomRole::Owner)
            && act.user() != Some(&user("ada"))
        {
            assert_eq!(*act, made);
            break;
        }
    }
    let record = opened.node.moderation.record(Some(&den), 10).await.unwrap();
    assert_eq!((record.len(), &record[0]), (2, &made));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_has_a_role_finds_the_room_and_has_no_more_than_so_many(#[case] backend: Backend) {
    let opened = backend.open().await;
    let roles = &*opened.node.roles;
    let (ada, bob) = (user("ada"), user("bob"));
    let mut dens = [private(), private()];
    dens.sort();
    let direct = RoomId::direct(&ada, &bob).unwrap();
    for den in &dens {
        give(roles, den, "ada", RoomRole::Moderator).await;
    }
    let both = |room: &RoomId| Change {
        becomes: [&ada, &bob].map(|user| (user.clone(), Some(RoomRole::Member))).into(),
        ..given(room, "bob", Some(RoomRole::Member))
    };
    assert!(roles.change(&both(&direct)).await.unwrap());
    // Public rooms are found by everybody, and count for nobody.
    give(roles, &room("hall"), "ada", RoomRole::Moderator).await;

    let of =
        |room: &RoomId, role, with| Membership { room: room.clone(), role, announce: false, with };
    let theirs = roles.rooms_of(&ada).await.unwrap();
    assert_eq!(direct.kind(), Kind::Direct);
    assert_eq!(
        theirs,
        [
            of(&direct, RoomRole::Member, Some(bob.clone())),
            of(&dens[0], RoomRole::Moderator, None),
            of(&dens[1], RoomRole::Moderator, None),
        ]
    );
    let of_bob = roles.rooms_of(&bob).await.unwrap();
    assert_eq!(of_bob, [of(&direct, RoomRole::Member, Some(ada.clone()))]);

    // One more is refused, and nothing of it is left with the other.
    for more in [private(), RoomId::direct(&ada, &user("cyd")).unwrap()] {
        let refused = roles.change(&both(&more)).await.unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded(_)), "{refused:?}");
        assert_eq!(roles.roles(&more, &[ada.clone(), bob.clone()]).await.unwrap(), [None, None]);
    }
    assert_eq!(roles.rooms_of(&bob).await.unwrap(), of_bob);
    give(roles, &dens[0], "ada", RoomRole::Member).await;
    assert!(roles.change(&given(&dens[1], "ada", None)).await.unwrap());
    assert!(roles.change(&both(&private())).await.unwrap(), "one place is free again");
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_has_a_role_is_told_by_id_and_a_page_at_a_time(#[case] backend: Backend) {
    use RoomRole::{Member, Moderator, Owner, ReadOnly};
    let opened = backend.open().await;
    let (roles, hall) = (&*opened.node.roles, room("hall"));
    let page = async |after: Option<&str>, limit: usize| {
        let after = after.map(user);
        let Holders { roles, more } = roles.holders(&hall, after.as_ref(), limit).await.unwrap();
        let text = |(user, role): &(_, RoomRole)| format!("{user} {}", <&str>::from(role));
        (roles.iter().map(text).collect::<Vec<_>>(), more)
    };
    assert_eq!(page(None, 3).await, (vec![], false));
    for (who, role) in [("bob", Member), ("Ada", Owner), ("_x", ReadOnly), ("9", Member)] {
        give(roles, &hall, who, role).await;
    }
    give(roles, &hall, "-", Moderator).await;
    // What else holds there is no role, and what is in rooms of about that name is elsewhere.
    for name in ["hal", "hall-", "hall2"] {
        give(roles, &room(name), "zed", Member).await;
    }
    for deed in [Deed::Mute, Deed::Ban] {
        let act = Act { deed, role: None, ..given(&hall, "eve", Some(Member)).act };
        opened.node.moderation.decide(&act).await.unwrap();
    }

    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let all = ["- moderator", "9 member", "Ada owner", "_x read_only", "bob member"];
    assert_eq!(page(None, 2).await, (texts(&all[..2]), true));
    assert_eq!(page(Some("9"), 2).await, (texts(&all[2..4]), true));
    assert_eq!(page(Some("_x"), 1).await, (texts(&all[4..]), false));
    assert_eq!(page(Some("B"), 9).await, (texts(&all[3..]), false), "of whom nobody has heard");
    assert_eq!(page(Some("bob"), 9).await, (vec![], false));

    give(roles, &hall, "Ada", Moderator).await;
    assert!(roles.change(&given(&hall, "9", None)).await.unwrap());
    let changed = ["- moderator", "Ada moderator", "_x read_only", "bob member"];
    assert_eq!(page(None, 4).await, (texts(&changed), false));
    // More than one page may have, given in one step.
    let many = (0..450).map(|n| (user(&format!("u{n:03}")), Some(Member))).collect();
    assert!(roles.change(&Change { becomes: many, ..given(&hall, "u", None) }).await.unwrap());
    let (mut seen, mut more) = (Vec::<String>::new(), true);
    while more {
        let last = seen.last().map(|text| text.split(' ').next().unwrap().to_owned());
        let some;
        (some, more) = page(last.as_deref(), 200).await;
        seen.extend(some);
    }
    let expected = (0..450).map(|n| format!("u{n:03} member"));
    assert_eq!(seen, texts(&changed).into_iter().chain(expected).collect::<Vec<_>>());
}
