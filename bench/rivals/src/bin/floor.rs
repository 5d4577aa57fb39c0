//! The floor: what a delivery costs if there is nothing but the system calls. One process, one
//! loop, one write of a ready frame per recipient; nothing is parsed, kept, numbered or published.
//!
//! `PORT=… floor`
use std::{
    collections::HashMap,
    env,
    error::Error,
    io::{self, Read, Write},
};

use memchr::memmem;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

const LISTENER: Token = Token(usize::MAX);

struct Member {
    stream: TcpStream,
    part: Vec<u8>,
    unsent: Vec<u8>,
    room: usize,
    upgraded: bool,
}

#[derive(Default)]
struct Rooms {
    names: HashMap<Vec<u8>, usize>,
    members: Vec<Vec<usize>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(format!("127.0.0.1:{}", env::var("PORT")?).parse()?)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening");
    let mut members: Vec<Option<Member>> = Vec::new();
    let mut rooms = Rooms::default();
    let mut events = Events::with_capacity(1_024);
    let mut scratch = vec![0; 64 << 10];
    loop {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(members.len()), both)?;
                    stream.set_nodelay(true)?;
                    members.push(Some(Member {
                        stream,
                        part: Vec::new(),
                        unsent: Vec::new(),
                        room: usize::MAX,
                        upgraded: false,
                    }));
                }
                continue;
            }
            let at = event.token().0;
            if event.is_writable() && let Some(member) = &mut members[at] {
                write(member, &[]);
            }
            if event.is_readable() && !read(at, &mut members, &mut rooms, &mut scratch) {
                if let Some(member) = members[at].take()
                    && let Some(room) = rooms.members.get_mut(member.room)
                {
                    room.retain(|other| *other != at);
                }
            }
        }
    }
}

/// `false`: it is gone.
fn read(at: usize, members: &mut [Option<Member>], rooms: &mut Rooms, scratch: &mut [u8]) -> bool {
    loop {
        let Some(member) = &mut members[at] else { return true };
        let length = match member.stream.read(scratch) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        let mut bytes = std::mem::take(&mut member.part);
        bytes.extend_from_slice(&scratch[..length]);
        let mut from = 0;
        if !member.upgraded {
            let Some(end) = memmem::find(&bytes, b"\r\n\r\n") else {
                member.part = bytes;
                return true;
            };
            member.upgraded = true;
            from = end + 4;
            // Whoever measures does not check the accept key.
            write(member, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            let open = "0{\"sid\":\"floor\",\"upgrades\":[],\"pingInterval\":300000,\"pingTimeout\":300000,\"maxPayload\":100000}";
            write(member, &frame(open.as_bytes()));
        }
        while let Some((start, end)) = next(&bytes, from) {
            let key = [bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]];
            for (place, byte) in bytes[start..end].iter_mut().enumerate() {
                *byte ^= key[place % 4];
            }
            packet(at, &bytes[start..end], members, rooms);
            from = end;
        }
        bytes.drain(..from);
        if let Some(member) = &mut members[at] {
            member.part = bytes;
        }
        if length < scratch.len() {
            return true;
        }
    }
}

/// Where the payload of the next whole frame lies.
fn next(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(from..)?;
    let (start, length) = match *rest.get(1)? & 0x7f {
        126 => (8, usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]))),
        127 => return None,
        short => (6, usize::from(short)),
    };
    (rest.len() >= start + length).then_some((from + start, from + start + length))
}

fn packet(at: usize, packet: &[u8], members: &mut [Option<Member>], rooms: &mut Rooms) {
    if packet.starts_with(b"40/chat,") {
        if let Some(member) = &mut members[at] {
            write(member, &frame(b"40/chat,{\"sid\":\"floor\"}"));
        }
        return;
    }
    let Some(body) = packet.strip_prefix(b"42/chat,") else { return };
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut ack = b"43/chat,".to_vec();
    ack.extend_from_slice(&body[..digits]);
    ack.extend_from_slice(b"[{\"ok\":true}]");
    if let Some(rest) = body[digits..].strip_prefix(b"[\"room:join\",") {
        let room = rooms.names.len();
        let room = *rooms.names.entry(rest.to_vec()).or_insert(room);
        rooms.members.resize_with(rooms.names.len(), Vec::new);
        rooms.members[room].push(at);
        if let Some(member) = &mut members[at] {
            member.room = room;
            write(member, &frame(&ack));
        }
    } else if let Some(rest) = body[digits..].strip_prefix(b"[\"message:send\",{") {
        let Some(room) = members[at].as_ref().map(|member| member.room) else { return };
        // As long as Hubbub's own, so that the same bytes are written.
        let mut told = b"42/chat,[\"message:new\",{\"epoch\":\"ebenchbenchbenchbenchbenchbe\",\"seq\":10000,\
            \"ts\":1700000000000,\"user\":{\"id\":\"g_benchbenchbenchbenchbench\",\"name\":\"load benchxx 100\"},"
            .to_vec();
        told.extend_from_slice(rest);
        let told = frame(&told);
        for other in &rooms.members[room] {
            if let Some(member) = &mut members[*other] {
                write(member, &told);
            }
        }
        if let Some(member) = &mut members[at] {
            write(member, &frame(&ack));
        }
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81];
    match u8::try_from(body.len()) {
        Ok(length) if length < 126 => out.push(length),
        _ => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
    out
}

/// What cannot be written now waits for its turn; a broken stream is noticed by reading.
fn write(member: &mut Member, bytes: &[u8]) {
    if !member.unsent.is_empty() {
        member.unsent.extend_from_slice(bytes);
        let unsent = std::mem::take(&mut member.unsent);
        let written = member.stream.write(&unsent).unwrap_or(0);
        member.unsent = unsent[written..].to_vec();
        return;
    }
    let written = member.stream.write(bytes).unwrap_or(0);
    member.unsent.extend_from_slice(&bytes[written..]);
}
