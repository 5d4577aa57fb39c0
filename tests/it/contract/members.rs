//! Presence: who comes, who goes, who only seems to, and what a node leaves behind.
use std::time::Duration;

use hubbub::{
    adapter::{Heard, Topic},
    domain::{presence::Diff, room::Place},
    store::members::{Lease, Members},
};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*, Settings},
    words::*,
};

/// Joined, left and changed ids, and the count.
fn shown(diff: &Diff) -> (Vec<&str>, Vec<&str>, Vec<&str>, u64) {
    (ids(&diff.joined), ids(&diff.left), ids(&diff.changed), diff.count)
}

async fn enter(members: &dyn Members, member: &hubbub::domain::presence::Member) -> Diff {
    members.enter(&place("lobby"), member).await.unwrap()
}

async fn present(members: &dyn Members, ids: &[&str]) -> Vec<bool> {
    let users: Vec<_> = ids.iter().map(|id| user(id)).collect();
    members.present(&place("lobby"), &users).await.unwrap()
}

/// The names of the tutorials' users in the order they came.
async fn classic_names(members: &dyn Members, place: &Place, limit: usize) -> Vec<String> {
    members.classic(place, limit).await.unwrap().into_iter().map(|(_, name)| name).collect()
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn two_connections_of_a_user_come_once_and_go_once(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    let (one, two) = (member("ada-1", "ada"), member("ada-2", "ada"));
    assert_eq!(shown(&enter(members, &one).await), (vec!["ada"], vec![], vec![], 1));
    assert_eq!(shown(&enter(members, &two).await), (vec![], vec![], vec![], 1));
    assert_eq!(shown(&enter(members, &one).await), (vec![], vec![], vec![], 1));
    let mut connections = members.connections(&place("lobby"), &one.user).await.unwrap();
    connections.sort();
    let node = &opened.node.id;
    let expected = [&one, &two].map(|member| (node.clone(), member.connection.clone()));
    assert_eq!(connections, expected);

    let left = members.leave(&place("lobby"), &one, false).await.unwrap();
    assert_eq!(shown(&left), (vec![], vec![], vec![], 1));
    assert_eq!(present(members, &["ada"]).await, [true]);
    let left = members.leave(&place("lobby"), &two, false).await.unwrap();
    assert_eq!(shown(&left), (vec![], vec!["ada"], vec![], 0));
    let again = members.leave(&place("lobby"), &two, false).await.unwrap();
    assert_eq!(shown(&again), (vec![], vec![], vec![], 0));
    assert_eq!(present(members, &["ada"]).await, [false]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_rooms_listeners_hear_each_difference_once(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let _listening = node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let members = node.members.clone();
    let (ada, bob) = (member("ada-1", "ada"), member("bob-1", "bob"));
    let mut expected = vec![enter(&*members, &ada).await];
    // Neither a second tab, nor another room, nor who is online is news here.
    enter(&*members, &member("ada-2", "ada")).await;
    members.enter(&place("attic"), &ada).await.unwrap();
    members.enter(&Place::online(&ada.user), &ada).await.unwrap();
    expected.push(enter(&*members, &bob).await);
    members.leave(&place("lobby"), &ada, false).await.unwrap();
    expected.push(members.leave(&place("lobby"), &bob, false).await.unwrap());
    for diff in expected {
        match next(&mut node.hearing).await {
            Heard::Presence(place, heard) => assert_eq!((place, heard), (room("lobby"), diff)),
            other => panic!("heard {other:?}"),
        }
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_is_online_is_found_in_their_part_of_the_online_set(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    let ada = member("ada-1", "ada");
    let online = Place::online(&ada.user);
    members.enter(&online, &ada).await.unwrap();
    let users = [ada.user.clone(), user("bob")];
    assert_eq!(members.present(&online, &users).await.unwrap(), [true, false]);
    assert_eq!(present(members, &["ada"]).await, [false]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_returns_within_the_grace_was_never_gone(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    enter(members, &member("ada-1", "ada")).await;
    let left = members.leave(&place("lobby"), &member("ada-1", "ada"), true).await.unwrap();
    assert_eq!(shown(&left), (vec![], vec![], vec![], 1));
    assert_eq!(present(members, &["ada"]).await, [true]);
    let swept = members.sweep(&place("lobby")).await.unwrap();
    assert_eq!(shown(&swept), (vec![], vec![], vec![], 1));
    // Through another connection, as it always is.
    let back = enter(members, &member("ada-2", "ada")).await;
    assert_eq!(shown(&back), (vec![], vec![], vec![], 1));
    let left = members.leave(&place("lobby"), &member("ada-2", "ada"), false).await.unwrap();
    assert_eq!(shown(&left), (vec![], vec!["ada"], vec![], 0));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_leaves_without_grace_is_gone_also_if_a_grace_has_begun(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    let ada = member("ada-1", "ada");
    enter(members, &ada).await;
    members.leave(&place("lobby"), &ada, true).await.unwrap();
    let left = members.leave(&place("lobby"), &ada, false).await.unwrap();
    assert_eq!(shown(&left), (vec![], vec!["ada"], vec![], 0));
    assert_eq!(present(members, &["ada"]).await, [false]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_sweep_ends_the_grace_of_those_whose_time_has_come(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.presence.grace = Duration::from_millis(300);
    let opened = backend.open_with(settings).await;
    let members = &*opened.node.members;
    let (ada, bob) = (member("ada-1", "ada"), member("bob-1", "bob"));
    enter(members, &ada).await;
    enter(members, &bob).await;
    // Bob comes back in time, and Ada goes after him: when hers has ended, so would his have.
    members.leave(&place("lobby"), &bob, true).await.unwrap();
    enter(members, &bob).await;
    members.leave(&place("lobby"), &ada, true).await.unwrap();
    let swept = eventually(|| async {
        let swept = members.sweep(&place("lobby")).await.unwrap();
        (!swept.left.is_empty()).then_some(swept)
    })
    .await;
    assert_eq!(shown(&swept), (vec![], vec!["ada"], vec![], 1));
    assert_eq!(present(members, &["ada", "bob"]).await, [false, true]);
    let again = members.sweep(&place("lobby")).await.unwrap();
    assert_eq!(shown(&again), (vec![], vec![], vec![], 1));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn entering_again_under_another_name_is_a_change(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    enter(members, &member("ada-1", "ada")).await;
    let renamed = enter(members, &member("ada-1", "Countess")).await;
    assert_eq!(shown(&renamed), (vec![], vec![], vec!["ada"], 1));
    assert_eq!(renamed.changed[0].name.as_deref(), Some("Countess"));
    assert!(!renamed.classic);
    let people = members.people(&place("lobby"), None, 10).await.unwrap();
    assert_eq!(people.people, renamed.changed);
    let again = enter(members, &member("ada-1", "Countess")).await;
    assert_eq!(shown(&again), (vec![], vec![], vec![], 1));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn tutorial_names_keep_their_order_and_their_doubles(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    let lobby = place("lobby");
    let nameless = hubbub::domain::presence::Member { name: None, ..classic("q-1", "") };
    assert!(!enter(members, &nameless).await.classic);
    for (connection, name) in [("z-1", "zoe"), ("m-1", "max"), ("a-1", "zoe")] {
        let diff = enter(members, &classic(connection, name)).await;
        assert!(diff.classic && diff.joined[0].classic);
    }
    assert!(!enter(members, &member("n-1", "native")).await.classic);
    // Twice is once.
    assert!(!enter(members, &classic("z-1", "zoe")).await.classic);
    assert_eq!(classic_names(members, &lobby, 10).await, ["zoe", "max", "zoe"]);
    assert_eq!(classic_names(members, &lobby, 2).await, ["zoe", "max"]);
    assert!(members.leave(&lobby, &classic("z-1", "zoe"), false).await.unwrap().classic);
    assert!(!members.leave(&lobby, &member("n-1", "native"), false).await.unwrap().classic);
    assert_eq!(classic_names(members, &lobby, 10).await, ["max", "zoe"]);
    // The nameless one was here before them all.
    assert!(enter(members, &classic("q-1", "quin")).await.classic);
    assert!(enter(members, &classic("m-1", "maxim")).await.classic);
    assert_eq!(classic_names(members, &lobby, 10).await, ["quin", "maxim", "zoe"]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn people_come_by_id_a_page_at_a_time(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    for n in 0..25 {
        enter(members, &member(&format!("u{:02}-1", n * 7 % 25), "name")).await;
    }
    let mut listed = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = members.people(&place("lobby"), cursor.as_deref(), 10).await.unwrap();
        assert!(page.people.len() <= 10 && listed.len() <= 25);
        assert_eq!(page.count, 25);
        listed.extend(page.people.into_iter().map(|person| person.id.to_string()));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, (0..25).map(|n| format!("u{n:02}")).collect::<Vec<_>>());
    let nobody = members.people(&place("attic"), None, 10).await.unwrap();
    assert_eq!((nobody.people.len(), nobody.cursor, nobody.count), (0, None, 0));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_is_present_is_answered_in_the_order_asked(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    enter(members, &member("ada-1", "ada")).await;
    enter(members, &member("bob-1", "bob")).await;
    let asked = present(members, &["bob", "eve", "ada", "bob"]).await;
    assert_eq!(asked, [true, false, true, true]);
    assert!(present(members, &[]).await.is_empty());
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn an_assertion_heals_what_is_missing_and_what_is_too_much(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    let lobby = place("lobby");
    for here in ["ada-1", "bob-1", "eve-1"] {
        enter(members, &member(here, here)).await;
    }
    // Eve is gone, Zoe came, Bob came back through another connection.
    let truth = [member("ada-1", "ada-1"), member("bob-2", "bob-1"), member("zoe-1", "zoe-1")];
    let diff = members.assert(&lobby, &truth).await.unwrap();
    assert_eq!(shown(&diff), (vec!["zoe"], vec!["eve"], vec![], 3));
    let bob = members.connections(&lobby, &user("bob")).await.unwrap();
    assert_eq!(bob, [(opened.node.id.clone(), truth[1].connection.clone())]);
    let again = members.assert(&lobby, &truth).await.unwrap();
    assert_eq!(shown(&again), (vec![], vec![], vec![], 3));
    let diff = members.assert(&lobby, &[]).await.unwrap();
    assert_eq!((diff.left.len(), diff.count), (3, 0));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn who_retires_leaves_nothing_behind(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.presence.grace = Duration::from_millis(100);
    let opened = backend.open_with(settings).await;
    let members = &*opened.node.members;
    members.renew().await.unwrap();
    enter(members, &member("ada-1", "ada")).await;
    enter(members, &classic("bob-1", "bob")).await;
    members.retire().await.unwrap();
    let other = opened.another().await;
    let members = other.as_ref().map_or(members, |other| &*other.members);
    eventually(|| async {
        members.sweep(&place("lobby")).await.unwrap();
        (present(members, &["ada", "bob"]).await == [false, false]).then_some(())
    })
    .await;
    assert!(classic_names(members, &place("lobby"), 10).await.is_empty());
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_node_that_renews_its_lease_holds_it_and_nobody_reaps_it(#[case] backend: Backend) {
    let opened = backend.open().await;
    let members = &*opened.node.members;
    members.renew().await.unwrap();
    assert_eq!(members.renew().await.unwrap(), Lease::Held);
    enter(members, &member("ada-1", "ada")).await;
    assert_eq!(members.reap().await.unwrap(), None);
    if let Some(other) = opened.another().await {
        other.members.renew().await.unwrap();
        assert_eq!(other.members.reap().await.unwrap(), None);
    }
    assert_eq!(present(members, &["ada"]).await, [true]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_node_whose_lease_ran_out_is_reaped_without_grace_and_fenced(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.presence.lease = Duration::from_secs(3);
    let opened = backend.open_with(settings).await;
    let Some(mut other) = opened.another().await else { return };
    let members = &*opened.node.members;
    members.renew().await.unwrap();
    enter(members, &member("ada-1", "ada")).await;
    // Bob has a connection on the living node too.
    enter(members, &member("bob-1", "bob")).await;
    enter(&*other.members, &member("bob-2", "bob")).await;
    let _listening = other.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let dead = eventually(|| async {
        other.members.renew().await.unwrap();
        other.members.reap().await.unwrap()
    })
    .await;
    assert_eq!(dead, opened.node.id);
    assert_eq!(present(&*other.members, &["ada", "bob"]).await, [false, true]);
    match next(&mut other.hearing).await {
        Heard::Presence(_, diff) => assert_eq!(shown(&diff), (vec![], vec!["ada"], vec![], 1)),
        heard => panic!("heard {heard:?}"),
    }
    // It was only asleep: it learns that it was declared dead, and enters again.
    assert_eq!(members.renew().await.unwrap(), Lease::Fenced);
    let back = members.assert(&place("lobby"), &[member("ada-1", "ada")]).await.unwrap();
    assert_eq!(shown(&back), (vec!["ada"], vec![], vec![], 2));
    assert_eq!(members.renew().await.unwrap(), Lease::Held);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_user_on_two_nodes_is_gone_when_it_has_left_both(#[case] backend: Backend) {
    let opened = backend.open().await;
    let Some(other) = opened.another().await else { return };
    let (here, there) = (&*opened.node.members, &*other.members);
    let (one, two) = (member("ada-1", "ada"), member("ada-2", "ada"));
    assert_eq!(shown(&enter(here, &one).await), (vec!["ada"], vec![], vec![], 1));
    assert_eq!(shown(&enter(there, &two).await), (vec![], vec![], vec![], 1));
    // What one node asserts of itself does not touch the other's.
    let diff = here.assert(&place("lobby"), &[]).await.unwrap();
    assert_eq!(shown(&diff), (vec![], vec![], vec![], 1));
    let diff = there.leave(&place("lobby"), &two, false).await.unwrap();
    assert_eq!(shown(&diff), (vec![], vec!["ada"], vec![], 0));
}
