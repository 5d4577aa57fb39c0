//! What goes wrong with a connection, as a code that is counted and a word of what to do.
use std::{borrow::Cow, io};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble(pub(super) Cow<'static, str>);

impl Trouble {
    pub(super) fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Self(code.into())
    }

    /// An answer in HTTP that is none of the wanted ones.
    pub(super) fn status(status: u16) -> Self {
        Self::new(format!("http_{status}"))
    }

    /// The server closed, and maybe said why.
    pub(super) fn closed(body: &[u8]) -> Self {
        match body {
            [high, low, ..] => Self::new(format!("closed_{}", u16::from_be_bytes([*high, *low]))),
            _ => Self::new("closed"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::new(match error.kind() {
            io::ErrorKind::ConnectionRefused => "refused",
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
            io::ErrorKind::UnexpectedEof => "closed",
            io::ErrorKind::TimedOut => "timed_out",
            io::ErrorKind::AddrNotAvailable => "no_ports_left",
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable",
            _ => match error.raw_os_error() {
                Some(23 | 24) => "no_descriptors_left",
                _ => return Self::new(format!("io_{:?}", error.kind()).to_lowercase()),
            },
        })
    }
}

/// What whoever started the run can do about it.
pub(super) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "refused" => "nobody listens there: is the server up, is the port right?",
        "no_descriptors_left" => {
            "no file descriptors left: raise the limit (ulimit -n), or use --processes"
        }
        "no_ports_left" => {
            "no local ports left: name several addresses of the server, or widen \
             net.ipv4.ip_local_port_range"
        }
        "http_503" => "the server turns connects away: lower --ramp, or raise its limits",
        "http_404" | "http_400" => {
            "no Socket.IO there: is the path right (http://host:port/socket.io/)?"
        }
        "rate_limited" => "the server limits each sender: more senders, or a lower --rate",
        "truncated" => {
            "the room's log was shorter than what somebody missed: raise store.retention_messages"
        }
        "timed_out" => "no answer in time: the server is overloaded, or a firewall is between",
        "never_joined" => {
            "a connection did not get as far as its room: is the namespace right, is the join event?"
        }
        _ => return None,
    })
}
