//! `hubbub healthcheck`: asks `/readyz` of the node on this machine; for containers without a shell.
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// For the whole question. Below the timeout that orchestrators usually allow a probe of this kind.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than any status line has.
const LONGEST_STATUS: usize = 1_024;

/// `Ok` if the node is ready, after saying so.
pub(super) fn ask(listen: SocketAddr) -> anyhow::Result<()> {
    ask_within(listen, PATIENCE)
}

fn ask_within(listen: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let address = reachable(listen);
    let status = status(address, patience).with_context(|| format!("{address} does not answer"))?;
    if status != 200 {
        bail!("{address} is not ready: /readyz answers {status}");
    }
    writeln!(std::io::stdout(), "{address} is ready").context("the answer cannot be written")
}

/// One can listen on "all addresses", but not ask there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn status(address: SocketAddr, patience: Duration) -> anyhow::Result<u16> {
    let deadline = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_write_timeout(Some(patience))?;
    // In one piece: whoever answers before the last one has arrived resets the connection.
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;

    let mut answer = Vec::new();
    let mut piece = [0; 256];
    while !answer.contains(&b'\n') && answer.len() < LONGEST_STATUS {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("no answer within {patience:?}");
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                bail!("no answer within {patience:?}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_whitespace().nth(1));
    code.and_then(|code| code.parse().ok()).context("what answers does not speak HTTP")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that reads one request and answers this; with `None` it never answers.
    fn asked(answer: Option<&'static str>) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => assert!(ended.recv().is_err()),
            }
        });
        // An answer that comes is waited for, also on a busy machine.
        let patience = Duration::from_millis(if answer.is_some() { 30_000 } else { 200 });
        let outcome = ask_within(address, patience);
        drop(done);
        server.join().unwrap();
        outcome
    }

    #[test]
    fn a_ready_node_is_healthy_and_every_other_is_not() {
        asked(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).unwrap();

        for (answer, says) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "/readyz answers 503"),
            ("SSH-2.0-x\r\n", "does not speak HTTP"),
            ("", "does not speak HTTP"),
        ] {
            let told = format!("{:#}", asked(Some(answer)).unwrap_err());
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn a_node_that_hangs_is_given_up() {
        let told = format!("{:#}", asked(None).unwrap_err());

        assert!(told.contains("no answer within 200ms"), "{told}");
    }

    #[test]
    fn nobody_there_is_said() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let told = format!("{:#}", ask(free).unwrap_err());

        assert!(told.contains("does not answer"), "{told}");
    }

    #[test]
    fn all_addresses_means_this_machine() {
        for (listen, asked) in
            [("0.0.0.0:9", "127.0.0.1:9"), ("[::]:9", "[::1]:9"), ("10.0.0.1:9", "10.0.0.1:9")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
