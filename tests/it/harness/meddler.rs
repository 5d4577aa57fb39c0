//! A proxy that gets in the way as those of the world do: one mistake each.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Node, beside};

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meddling {
    /// Nothing, but for choosing a node for each connection by turns.
    Spreads,
    /// Ends what has been quiet for so long.
    EndsIdle(Duration),
    /// Lets the upgrade through, and then holds back what the node says.
    HoldsWebSockets,
    /// Holds back the answers to polls.
    HoldsPolls,
    /// Takes away what asks for a WebSocket.
    DropsUpgrade,
    /// Answers with another time.
    Dates(&'static str),
    /// Takes away who is let in.
    DropsCors,
    /// Answers itself.
    Answers(&'static str),
}

/// Starts one before these nodes; its address.
pub(crate) async fn meddler(what: Meddling, nodes: &[Arc<Node>]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let nodes: Vec<SocketAddr> = nodes.iter().map(|node| node.address()).collect();
    let turn = Arc::new(AtomicUsize::new(0));
    beside(async move {
        while let Ok((client, _)) = listener.accept().await {
            let node = nodes[turn.fetch_add(1, Ordering::Relaxed) % nodes.len()];
            // Whoever closes ends it.
            beside(async move { carry(what, client, node).await.ok() });
        }
    });
    address
}

async fn carry(what: Meddling, mut client: TcpStream, node: SocketAddr) -> std::io::Result<()> {
    let mut node = TcpStream::connect(node).await?;
    let mut asked = head(&mut client).await?;
    if what == Meddling::DropsUpgrade {
        without(&mut asked, &["upgrade:", "connection:"]);
    }
    if let Meddling::Answers(text) = what {
        return client.write_all(text.as_bytes()).await;
    }
    node.write_all(asked.as_bytes()).await?;
    let is_websocket = asked.contains("transport=websocket");
    let is_poll = asked.starts_with("GET") && asked.contains("sid=");
    match what {
        Meddling::HoldsWebSockets if is_websocket => {
            let answered = head(&mut node).await?;
            client.write_all(answered.as_bytes()).await?;
            swallow(&mut client).await
        }
        Meddling::HoldsPolls if is_poll => swallow(&mut client).await,
        Meddling::Dates(date) if asked.starts_with("GET") => {
            let mut answered = head(&mut node).await?;
            without(&mut answered, &["date:"]);
            let answered = answered.replacen("\r\n", &format!("\r\ndate: {date}\r\n"), 1);
            client.write_all(answered.as_bytes()).await?;
            both_ways(client, node, None).await
        }
        Meddling::DropsCors if asked.starts_with("GET") && !is_websocket => {
            let mut answered = head(&mut node).await?;
            without(&mut answered, &["access-control-allow-origin:"]);
            client.write_all(answered.as_bytes()).await?;
            both_ways(client, node, None).await
        }
        Meddling::EndsIdle(after) => both_ways(client, node, Some(after)).await,
        _ => both_ways(client, node, None).await,
    }
}

/// All of the head of a request or an answer, and nothing of what follows.
async fn head(from: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    String::from_utf8(head).map_err(std::io::Error::other)
}

fn without(head: &mut String, names: &[&str]) {
    let is_one = |line: &str| {
        let line = line.to_ascii_lowercase();
        names.iter().any(|name| line.starts_with(name))
    };
    *head = head.split_inclusive("\r\n").filter(|line| !is_one(line)).collect();
}

/// Waits for the client to give up.
async fn swallow(client: &mut TcpStream) -> std::io::Result<()> {
    let mut piece = [0; 1_024];
    while client.read(&mut piece).await? > 0 {}
    Ok(())
}

async fn both_ways(
    mut client: TcpStream,
    mut node: TcpStream,
    patience: Option<Duration>,
) -> std::io::Result<()> {
    let (mut up, mut down) = ([0; 4_096], [0; 4_096]);
    let quiet = patience.unwrap_or(Duration::from_hours(1));
    loop {
        tokio::select! {
            sent = client.read(&mut up) => match sent? {
                0 => return Ok(()),
                n => node.write_all(&up[..n]).await?,
            },
            sent = node.read(&mut down) => match sent? {
                0 => return Ok(()),
                n => client.write_all(&down[..n]).await?,
            },
            () = tokio::time::sleep(quiet) => return Ok(()),
        }
    }
}
