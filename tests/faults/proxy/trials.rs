//! Trials of the proxy itself: each verb does what it says, and no more.
use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use libtest_mimic::Trial;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{
    Plan, Proxy, Speech, Verb, Way,
    resp::{Frames, led_elsewhere},
};
use crate::common::{beside, eventually, patiently};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("passes_all_and_counts_it", passes),
        trial("blackhole_keeps_what_comes_until_it_is_healed", blackhole),
        trial("blackhole_tells_nobody_of_an_end", blackhole_end),
        trial("refuse_turns_new_connections_away_and_no_others", refuse),
        trial("reset_ends_what_is_open_and_what_is_new", reset),
        trial("cut_ends_what_is_open_and_nothing_new", cut),
        trial("half_open_holds_one_way", half_open),
        trial("delay_is_late_and_in_order", delay),
        trial("loss_is_late_and_in_order", loss),
        trial("rate_lets_so_many_bytes_through_a_second", rate),
        trial("cut_after_so_many_bytes", cut_after),
        trial("corrupt_turns_one_bit_over_once", corrupt),
        trial("lose_reply_drops_whole_replies_and_counts_no_pushes", lose_reply),
        trial("lose_reply_with_cut_ends_the_connection", lose_reply_and_cut),
        trial("sees_bytes_that_come_in_two_pieces", sees),
        trial("balancer_goes_on_to_a_server_that_lives", balancer),
        trial("replies_are_found_however_they_were_cut", frames),
        trial("replies_lead_to_other_ports_only_where_they_tell_of_servers", leads),
    ]
}

fn trial<F: Future<Output = ()> + 'static>(name: &str, play: fn() -> F) -> Trial {
    let play = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(play());
        Ok(())
    };
    Trial::test(format!("proxy::{name}"), play)
}

/// A server that says back what it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    beside(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            beside(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    at
}

/// A server that says this to whoever comes, and then listens.
async fn says(what: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    beside(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            client.write_all(what).await.ok();
            beside(async move { client.read_to_end(&mut Vec::new()).await.ok() });
        }
    });
    at
}

async fn client_of(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.at()).await.unwrap()
}

async fn read(client: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    patiently("bytes", client.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// What comes until the end, and how it ends.
async fn read_on(client: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = patiently("the end", client.read_to_end(&mut bytes)).await;
    (bytes, end.err().map(|error| error.kind()))
}

async fn arrives(proxy: &Proxy, way: Way, bytes: u64) {
    let look = || async { (proxy.arrived(way) == bytes).then_some(()) };
    eventually("bytes arrive at the proxy", look).await;
}

async fn passes() {
    let proxy = Plan::to(echo().await).open();
    let mut client = client_of(&proxy).await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut client, 5).await, b"hello");
    assert_eq!((proxy.arrived(Way::Up), proxy.passed(Way::Up)), (5, 5));
    assert_eq!((proxy.arrived(Way::Down), proxy.passed(Way::Down)), (5, 5));
    assert_eq!((proxy.open_now(), proxy.accepted()), (1, 1));
    client.shutdown().await.unwrap();
    assert_eq!(read_on(&mut client).await, (Vec::new(), None));
}

async fn blackhole() {
    let proxy = Plan::to(echo().await).open();
    let mut client = client_of(&proxy).await;
    client.write_all(b"a").await.unwrap();
    read(&mut client, 1).await;
    proxy.set(Verb::Blackhole);
    client.write_all(b"hello").await.unwrap();
    let mut late = client_of(&proxy).await;
    late.write_all(b"later").await.unwrap();
    arrives(&proxy, Way::Up, 6).await;
    assert_eq!(proxy.passed(Way::Up), 1);
    proxy.heal();
    assert_eq!(read(&mut client, 5).await, b"hello");
    assert_eq!(read(&mut late, 5).await, b"later");
}

async fn blackhole_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Plan::to(listener.local_addr().unwrap()).open();
    let mut client = client_of(&proxy).await;
    client.write_all(b"a").await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    read(&mut server, 1).await;
    proxy.set(Verb::Blackhole);
    client.write_all(b"b").await.unwrap();
    drop(client);
    arrives(&proxy, Way::Up, 2).await;
    let mut bytes = [0; 9];
    assert_eq!(server.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.heal();
    assert_eq!(read_on(&mut server).await, (b"b".to_vec(), None));
}

async fn refuse() {
    let proxy = Plan::to(echo().await).open();
    let mut open = client_of(&proxy).await;
    open.write_all(b"a").await.unwrap();
    read(&mut open, 1).await;
    proxy.set(Verb::Refuse);
    eventually("a refusal", || async {
        let refused = TcpStream::connect(proxy.at()).await.err()?;
        (refused.kind() == ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
    open.write_all(b"b").await.unwrap();
    assert_eq!(read(&mut open, 1).await, b"b");
    proxy.heal();
    let look = || async { TcpStream::connect(proxy.at()).await.ok() };
    let mut again = eventually("it listens again", look).await;
    again.write_all(b"c").await.unwrap();
    assert_eq!(read(&mut again, 1).await, b"c");
}

async fn reset() {
    let proxy = Plan::to(echo().await).open();
    let mut open = client_of(&proxy).await;
    open.write_all(b"a").await.unwrap();
    read(&mut open, 1).await;
    proxy.set(Verb::Reset);
    assert_eq!(read_on(&mut open).await.1, Some(ErrorKind::ConnectionReset));
    let mut new = client_of(&proxy).await;
    assert_eq!(read_on(&mut new).await.1, Some(ErrorKind::ConnectionReset));
}

async fn cut() {
    let proxy = Plan::to(echo().await).open();
    let mut open = client_of(&proxy).await;
    // It is open once it has been answered.
    open.write_all(b"a").await.unwrap();
    read(&mut open, 1).await;
    proxy.set(Verb::Blackhole);
    open.write_all(b"held").await.unwrap();
    arrives(&proxy, Way::Up, 5).await;
    proxy.cut();
    proxy.heal();
    assert_eq!(read_on(&mut open).await, (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(proxy.passed(Way::Up), 1, "what was held went with the connection");
    let mut new = client_of(&proxy).await;
    new.write_all(b"b").await.unwrap();
    assert_eq!(read(&mut new, 1).await, b"b");
}

async fn half_open() {
    for (way, up, down) in [(Way::Down, 6, 1), (Way::Up, 1, 1)] {
        let proxy = Plan::to(echo().await).open();
        let mut client = client_of(&proxy).await;
        client.write_all(b"a").await.unwrap();
        read(&mut client, 1).await;
        proxy.set(Verb::HalfOpen(way));
        client.write_all(b"hello").await.unwrap();
        arrives(&proxy, Way::Up, 6).await;
        if way == Way::Down {
            arrives(&proxy, Way::Down, 6).await;
        }
        assert_eq!((proxy.passed(Way::Up), proxy.passed(Way::Down)), (up, down), "{way:?}");
        proxy.heal();
        assert_eq!(read(&mut client, 5).await, b"hello");
    }
}

async fn delay() {
    let proxy = Plan::to(echo().await).open();
    let (by, jitter) = (Duration::from_millis(100), Duration::from_millis(40));
    proxy.set(Verb::Delay { by, jitter });
    let mut client = client_of(&proxy).await;
    let began = Instant::now();
    for byte in b'a'..=b'e' {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&mut client, 5).await, b"abcde");
    let least = by.saturating_sub(jitter) * 2;
    assert!(began.elapsed() >= least, "{:?}, once each way", began.elapsed());
}

async fn loss() {
    let proxy = Plan::to(echo().await).open();
    let again = Duration::from_millis(40);
    proxy.set(Verb::Loss { of_hundred: 50, again });
    let mut client = client_of(&proxy).await;
    let began = Instant::now();
    for byte in b'a'..=b'j' {
        client.write_all(&[byte]).await.unwrap();
        assert_eq!(read(&mut client, 1).await, [byte]);
    }
    assert!(began.elapsed() >= again * 2, "{:?}, of ten pieces each way", began.elapsed());
}

async fn rate() {
    let proxy = Plan::to(echo().await).open();
    proxy.set(Verb::Rate(2_000));
    let mut client = client_of(&proxy).await;
    let began = Instant::now();
    client.write_all(&[7; 1_000]).await.unwrap();
    read(&mut client, 1_000).await;
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

async fn cut_after() {
    let proxy = Plan::to(says(b"0123456789abcdef").await).open();
    proxy.set(Verb::CutAfter(10));
    let mut client = client_of(&proxy).await;
    let read = read_on(&mut client).await;
    assert_eq!(read, (b"0123456789".to_vec(), Some(ErrorKind::ConnectionReset)));
}

async fn corrupt() {
    let proxy = Plan::to(echo().await).open();
    proxy.set(Verb::Corrupt(Way::Down));
    let mut client = client_of(&proxy).await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut client, 5).await, b"helln");
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut client, 5).await, b"hello");
}

/// Replies 1 to 5, and two pushes among them.
const REPLIES: &[u8] =
    b"+1\r\n>2\r\n+push\r\n:9\r\n$1\r\n2\r\n*2\r\n:3\r\n:3\r\n>1\r\n+push\r\n+4\r\n+5\r\n";

async fn lose_reply() {
    let speech = Speech::Redis { instead: Vec::new() };
    let proxy = Plan::to(says(REPLIES).await).speaking(speech).open();
    proxy.set(Verb::LoseReply { every: 3, cut: false });
    let mut client = client_of(&proxy).await;
    let left = b"+1\r\n>2\r\n+push\r\n:9\r\n$1\r\n2\r\n>1\r\n+push\r\n+4\r\n+5\r\n";
    assert_eq!(read(&mut client, left.len()).await, left);
    assert_eq!(proxy.lost(), 1);
}

async fn lose_reply_and_cut() {
    let speech = Speech::Redis { instead: Vec::new() };
    let proxy = Plan::to(says(REPLIES).await).speaking(speech).open();
    proxy.set(Verb::LoseReply { every: 3, cut: true });
    let mut client = client_of(&proxy).await;
    let (bytes, end) = read_on(&mut client).await;
    assert_eq!(bytes, b"+1\r\n>2\r\n+push\r\n:9\r\n$1\r\n2\r\n");
    assert_eq!((end, proxy.lost()), (Some(ErrorKind::ConnectionReset), 1));
}

async fn sees() {
    let proxy = Plan::to(echo().await).open();
    proxy.set(Verb::Blackhole);
    let seen = proxy.sees(Way::Up, b"needle");
    proxy.heal();
    let mut client = client_of(&proxy).await;
    client.write_all(b"a nee").await.unwrap();
    read(&mut client, 5).await;
    client.write_all(b"dle").await.unwrap();
    patiently("the needle", seen).await;
}

async fn balancer() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()));
    let proxy = Plan::between(vec![nobody, echo().await]).open();
    for _ in 0..4 {
        let mut client = client_of(&proxy).await;
        client.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut client, 1).await, b"a");
    }
}

async fn frames() {
    let attribute = b"|1\r\n+ttl\r\n:3\r\n$-1\r\n%1\r\n+k\r\n~1\r\n,1.5\r\n$4\r\na\r\nb\r\n_\r\n";
    let all = [REPLIES, attribute].concat();
    let whole: Vec<_> = Frames::default().take(&all);
    assert_eq!(whole.iter().filter(|said| !said.is_reply).count(), 2);
    let sizes: Vec<usize> = whole.iter().map(|said| said.bytes.len()).collect();
    assert_eq!(sizes, [4, 15, 7, 12, 11, 4, 4, 19, 18, 10, 3]);
    for at in 1..all.len() {
        let mut frames = Frames::default();
        let mut cut = frames.take(&all[..at]);
        cut.extend(frames.take(&all[at..]));
        assert_eq!(cut, whole, "cut at {at}");
        assert!(frames.left().is_empty());
    }
}

async fn leads() {
    let ports = [(17_000, 20_001), (18_000, 20_002)];
    let told =
        |text: &str| String::from_utf8(led_elsewhere(text.as_bytes().to_vec(), &ports)).unwrap();
    assert_eq!(told("-MOVED 3999 127.0.0.1:17000\r\n"), "-MOVED 3999 127.0.0.1:20001\r\n");
    assert_eq!(
        told("*2\r\n$9\r\n127.0.0.1\r\n$5\r\n18000\r\n"),
        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n20002\r\n"
    );
    assert_eq!(told(":17000\r\n"), ":17000\r\n", "a number is no server");
    assert_eq!(told("+127.0.0.1:170001\r\n"), "+127.0.0.1:170001\r\n", "another port");
}
