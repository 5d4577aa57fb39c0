//! One HTTP/1.1 connection, kept alive: enough for probes and for long-polling.
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// For how long a connection is kept that nothing is asked on: well below the server's own patience
/// (`server.header_timeout`), as in every client, or a question would meet its end.
const KEPT_FOR: Duration = Duration::from_secs(2);

pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    /// More headers, with the line ends.
    more: String,
    /// When it was connected or answered.
    idle_since: Instant,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Http {
    pub(crate) async fn connect(host: SocketAddr) -> io::Result<Self> {
        let stream = BufReader::new(TcpStream::connect(host).await?);
        Ok(Self { stream, host, more: String::new(), idle_since: Instant::now() })
    }

    /// With a header in every request from now on.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.more = format!("{}{name}: {value}\r\n", self.more);
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)).await
    }

    /// As a page of this origin would ask.
    pub(crate) async fn get_from(&mut self, origin: &str, path: &str) -> io::Result<Answer> {
        let host = self.host;
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\n\r\n")).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain;charset=UTF-8\r\n\
             content-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.ask(&(head + body)).await
    }

    /// Any request.
    pub(crate) async fn raw(&mut self, request: &str) -> io::Result<Answer> {
        self.ask(request).await
    }

    async fn ask(&mut self, request: &str) -> io::Result<Answer> {
        if self.idle_since.elapsed() > KEPT_FOR {
            let more = std::mem::take(&mut self.more);
            *self = Self { more, ..Self::connect(self.host).await? };
        }
        let request = &request.replacen("\r\n", &format!("\r\n{}", self.more), 1);
        self.stream.write_all(request.as_bytes()).await?;
        let status_line = self.line().await?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        answer.body = self.body(&answer).await?;
        self.idle_since = Instant::now();
        Ok(answer)
    }

    async fn body(&mut self, answer: &Answer) -> io::Result<String> {
        let mut body = Vec::new();
        if answer.header("transfer-encoding").is_some() {
            loop {
                let size =
                    usize::from_str_radix(&self.line().await?, 16).map_err(io::Error::other)?;
                self.read_on(&mut body, size).await?;
                self.line().await?;
                if size == 0 {
                    break;
                }
            }
        } else {
            let size = answer.header("content-length").and_then(|size| size.parse().ok());
            self.read_on(&mut body, size.unwrap_or(0)).await?;
        }
        String::from_utf8(body).map_err(io::Error::other)
    }

    async fn read_on(&mut self, body: &mut Vec<u8>, size: usize) -> io::Result<()> {
        let begin = body.len();
        body.resize(begin + size, 0);
        self.stream.read_exact(&mut body[begin..]).await.map(drop)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
