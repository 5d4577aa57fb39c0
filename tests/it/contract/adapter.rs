//! Telling: what is told is heard in order, by whoever listens, and by nobody else.
use hubbub::{
    adapter::{Audience, Heard, Hearing, Told, Topic},
    domain::view::View,
};
use rstest::rstest;

use super::{
    backend::{Backend, Backend::*},
    words::*,
};

fn told(to: Audience, n: u32) -> Told {
    Told::new(to, View::NATIVE, &format!("event {n}"), &n).unwrap()
}

/// The list that is heard next, by its events.
async fn events(hearing: &mut Hearing) -> Vec<String> {
    match next(hearing).await {
        Heard::Told(list) => list.into_iter().map(|told| told.event).collect(),
        other => panic!("heard {other:?}"),
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn lists_are_heard_in_the_order_they_were_told(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let _listening = node.adapter.listen(Topic::Global).await.unwrap();
    for n in 0..100 {
        node.adapter.tell(vec![told(Audience::Everyone, n)]).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(events(&mut node.hearing).await, [format!("event {n}")]);
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_list_to_several_audiences_is_heard_as_one(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let _listening = node.adapter.listen(Topic::Global).await.unwrap();
    let audiences = [
        Audience::Everyone,
        Audience::Room(room("lobby")),
        Audience::User(user("ada")),
        Audience::Connection("c_1".parse().unwrap()),
        Audience::Group("any {name} at all".to_owned()),
    ];
    let mut list: Vec<_> = audiences.iter().cloned().zip(0..).map(|(to, n)| told(to, n)).collect();
    list[1].except = Some("c_2".parse().unwrap());
    list[2].view = View::ADDUSER.with(View::HELLO);
    node.adapter.tell(list.clone()).await.unwrap();
    let Heard::Told(heard) = next(&mut node.hearing).await else { panic!("not a list") };
    assert_eq!(format!("{heard:?}"), format!("{list:?}"));
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn a_list_to_one_room_is_heard_by_who_listens_to_that_room(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let _listening = node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let to = |id| Audience::Room(room(id));
    // Nobody listens to the attic.
    node.adapter.tell(vec![told(to("attic"), 1)]).await.unwrap();
    node.adapter.tell(vec![told(to("lobby"), 2), told(to("lobby"), 3)]).await.unwrap();
    assert_eq!(events(&mut node.hearing).await, ["event 2", "event 3"]);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn whatever_is_told_after_listening_began_is_heard(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let mut guards = Vec::new();
    for n in 0..20 {
        let id = format!("room-{n}");
        guards.push(node.adapter.listen(Topic::Room(room(&id))).await.unwrap());
        node.adapter.tell(vec![told(Audience::Room(room(&id)), n)]).await.unwrap();
        assert_eq!(events(&mut node.hearing).await, [format!("event {n}")]);
        let appended = say(&*node.log, &id, "hi").await;
        assert_eq!(next_entry(&mut node.hearing).await.position, appended.position);
    }
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn listening_twice_is_hearing_once_for_as_long_as_either_lasts(#[case] backend: Backend) {
    let node = &mut backend.open().await.node;
    let one = node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    let _two = node.adapter.listen(Topic::Room(room("lobby"))).await.unwrap();
    for seq in [1, 2] {
        say(&*node.log, "lobby", "hi").await;
        assert_eq!(next_entry(&mut node.hearing).await.position.seq, seq);
    }
    drop(one);
    say(&*node.log, "lobby", "hi").await;
    assert_eq!(next_entry(&mut node.hearing).await.position.seq, 3);
}

#[rstest]
#[case::embedded(Embedded)]
#[case::memory(Memory)]
#[case::redis(Redis)]
#[tokio::test]
async fn every_node_hears_the_same_in_the_same_order(#[case] backend: Backend) {
    let mut opened = backend.open().await;
    let Some(mut other) = opened.another().await else { return };
    let mut guards = Vec::new();
    for adapter in [&opened.node.adapter, &other.adapter] {
        guards.push(adapter.listen(Topic::Room(room("lobby"))).await.unwrap());
        guards.push(adapter.listen(Topic::Global).await.unwrap());
    }
    for n in 1..=20 {
        let log = if n % 2 == 0 { &opened.node.log } else { &other.log };
        assert_eq!(say(&**log, "lobby", "hi").await.position.seq, n);
    }
    for n in 1..=20 {
        assert_eq!(next_entry(&mut opened.node.hearing).await.position.seq, n);
        assert_eq!(next_entry(&mut other.hearing).await.position.seq, n);
    }
    other.adapter.tell(vec![told(Audience::Everyone, 1)]).await.unwrap();
    assert_eq!(events(&mut opened.node.hearing).await, ["event 1"]);
    assert_eq!(events(&mut other.hearing).await, ["event 1"]);
}
