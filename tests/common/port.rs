//! A loopback port that is one's own, also before the server on it has started and while it is down.
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};

pub(crate) struct Port {
    number: u16,
    _held: Option<Socket>,
}

impl Port {
    /// One that somebody else has seen to.
    pub(crate) fn given(number: u16) -> Self {
        Self { number, _held: None }
    }

    /// Held by a socket that does not listen. The system gives such a port to nobody who asks for
    /// any free one, neither to listen nor to connect from; a server that names it, and sets
    /// `SO_REUSEADDR` as servers do, may listen there.
    pub(crate) fn reserve() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        held.set_reuse_address(true).unwrap();
        held.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let bound = held.local_addr().unwrap().as_socket().unwrap();
        Self { number: bound.port(), _held: Some(held) }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
