//! Who connects to `/chat`: credentials → an identity, before the CONNECT packet is answered.
use std::{fmt, sync::Arc};

use socketioxide::{
    SocketIo,
    adapter::LocalAdapter,
    extract::SocketRef,
    handler::{ConnectHandler, FromConnectParts, Value},
    socket::{DisconnectReason, Socket},
};

use super::{Auth, Native};
use crate::{
    auth::jwt::Tokens,
    clock,
    domain::{
        address::Address,
        id::UserId,
        nickname::Nickname,
        room::Place,
        session::{Identity, Vouched},
        view::View,
    },
    error::{Error, Result},
    events::{Caller, ServerEvent, session_ready::SessionReady},
    gateway::{
        Gateway, conn::Conn, door::Door, guard, inbound::Inbound, origin, outbox::SocketOutbox,
        pipeline::Pipe,
    },
    rooms::{CloseReason, Connection, Frame, Outbox, Standing},
    telemetry::Label,
};

/// The longest device name.
const LONGEST_DEVICE: usize = 64;

/// A socket at the door, with what it brought.
pub(in crate::gateway) struct Arriving {
    pub(in crate::gateway) socket: Arc<Socket<LocalAdapter>>,
    auth: Option<String>,
}

impl FromConnectParts<LocalAdapter> for Arriving {
    type Error = std::convert::Infallible;

    fn from_connect_parts(
        socket: &Arc<Socket<LocalAdapter>>,
        auth: &Option<Value>,
    ) -> Result<Self, Self::Error> {
        let auth = auth.as_ref().and_then(|value| value.as_str()).map(ToString::to_string);
        Ok(Self { socket: socket.clone(), auth })
    }
}

impl Arriving {
    /// Refuses what is not an object, for those who read no more of it.
    pub(in crate::gateway) fn is_well_formed(&self) -> Result<()> {
        match self.auth.as_deref() {
            None | Some("") => Ok(()),
            Some(auth) if auth.starts_with('{') && is_json(auth) => Ok(()),
            Some(_) => Err(Error::Unauthorized("auth is an object")),
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A refusal as the library says it: its text is all a `connect_error` can carry, so it is the code.
pub(in crate::gateway) struct Rejected(&'static str);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Somebody who may come in.
struct Admitted {
    identity: Identity,
    standing: Standing,
    is_named: bool,
    /// Whether it can have been here before.
    is_known: bool,
    device: Option<String>,
}

/// What the connect handler needs from the middleware.
#[derive(Clone)]
struct Arrived {
    pipe: Arc<Pipe>,
    ready: Frame,
    connection: Arc<Connection>,
    gateway: Gateway,
}

impl Gateway {
    /// Handlers are registered in the middleware: the library runs the connect handler after
    /// CONNECT was sent, and drops what a quick client says before it.
    pub(in crate::gateway) fn register_native(&self, io: &SocketIo) {
        let gateway = self.clone();
        let arrive = move |arriving: Arriving| {
            let gateway = gateway.clone();
            async move { gateway.arrive(arriving).await }
        };
        io.ns("/chat", greet.with(arrive));
    }

    async fn arrive(self, arriving: Arriving) -> Result<(), Rejected> {
        let outbox = self.outbox(&arriving.socket);
        let since = self.app.traces.now();
        let auth = read_auth(arriving.auth.as_deref());
        let client = auth.as_ref().ok().and_then(|auth| auth.traceparent.as_ref()?.parse().ok());
        let mut span = self.app.traces.begin("connect", since, client.as_ref());
        let let_in = span.around(self.let_in(&arriving, auth, outbox)).await;
        if let Err(Rejected(code)) = &let_in {
            span.failed(code);
        }
        let_in
    }

    async fn let_in(
        &self,
        arriving: &Arriving,
        auth: Result<Auth>,
        outbox: Arc<SocketOutbox>,
    ) -> Result<(), Rejected> {
        let admitted = match auth {
            Ok(auth) => self.admit(arriving, auth).await,
            Err(error) => Err(error),
        };
        match admitted {
            Ok(admitted) => self
                .seat(&arriving.socket, outbox, admitted)
                .await
                .map_err(|error| Rejected((&error).into())),
            Err(error) => Err(self.reject(&outbox, &error)),
        }
    }

    /// Says why, and ends the session.
    pub(in crate::gateway) fn reject(&self, outbox: &SocketOutbox, error: &Error) -> Rejected {
        let code = error.into();
        if let Error::Internal(cause) = error {
            tracing::error!(cause = format!("{cause:#}"), "a handshake failed");
        }
        self.door.count_refused(code);
        self.door.count_connect(code);
        outbox.close(CloseReason::Refused);
        Rejected(code)
    }

    /// Who it is, if they may come in.
    async fn admit(&self, arriving: &Arriving, auth: Auth) -> Result<Admitted> {
        if auth.device.as_ref().is_some_and(|device| device.chars().count() > LONGEST_DEVICE) {
            return Err(Error::bad_request("a device is at most 64 characters"));
        }
        let name = match auth.name {
            Some(name) => Some(Nickname::try_from(name).map_err(|e| Error::bad_field("name", &e))?),
            None => None,
        };
        let is_known = auth.session.is_some() || self.app.tokens.is_some();
        let token = auth.token.as_deref();
        let (identity, vouched, is_named) = if let Some(tokens) = &self.app.tokens {
            self.by_token(tokens, token, name).await?
        } else {
            let session = auth.session.as_deref();
            let (identity, vouched) = self.app.guests.admit(session, name, token).await?;
            (identity, vouched, false)
        };
        let address = self.address_of(&arriving.socket);
        let name = identity.name.skeleton();
        let standing = Standing::new(identity.id.clone(), address, Some(name), vouched);
        self.app.moderation.may_stay(&standing)?;
        if is_known {
            self.has_a_place_left(&identity.id).await?;
        }
        Ok(Admitted { identity, standing, is_named, is_known, device: auth.device })
    }

    /// Whether the token says what its bearer is called comes third.
    async fn by_token(
        &self,
        tokens: &Tokens,
        token: Option<&str>,
        name: Option<Nickname>,
    ) -> Result<(Identity, Vouched, bool)> {
        let token = token.ok_or(Error::Unauthorized("this server asks for a token"))?;
        let token = tokens.check(token).await?;
        let is_named = token.name.is_some();
        if let (false, Some(name), false) = (is_named, &name, token.vouched.role.moderates()) {
            self.app.guests.may_be_called(name)?;
        }
        let name = token.name.or(name).unwrap_or_else(|| self.app.guests.some_name());
        let identity = Identity { id: token.user, name, role: token.vouched.role };
        Ok((identity, token.vouched, is_named))
    }

    /// Whether this user may have one more connection. While the store cannot say, it may.
    async fn has_a_place_left(&self, user: &UserId) -> Result<()> {
        let most = self.app.config.limits.connections_per_user;
        match self.app.presence.connections(user).await {
            Ok(has) if has >= most => {
                Err(Error::LimitExceeded("this user has as many connections as one may have"))
            }
            _ => Ok(()),
        }
    }

    /// Where the socket's session came from.
    pub(in crate::gateway) fn address_of(&self, socket: &Socket<LocalAdapter>) -> Option<Address> {
        let parts = socket.req_parts();
        let conn = parts.extensions.get::<Arc<Conn>>()?;
        Some(origin::address(conn.peer.ip(), &parts.headers, &self.proxies))
    }

    async fn seat(
        &self,
        socket: &Arc<Socket<LocalAdapter>>,
        outbox: Arc<SocketOutbox>,
        Admitted { identity, standing, is_named, is_known, device }: Admitted,
    ) -> Result<()> {
        let session = match self.app.tokens {
            Some(_) => None,
            None => Some(self.app.guests.session(&identity).await?),
        };
        // Nobody waits for a store that is away, and whoever is new is in no room yet.
        let rooms = if is_known {
            self.app.roles.rooms_of(&identity.id).await.ok()
        } else {
            Some(Vec::new())
        };
        let id = clock::new_connection();
        let expires_at = standing.expires_at();
        let user = identity.id.clone();
        let connection = Connection::new(id, user, View::NATIVE, outbox.clone(), standing);
        let ready = SessionReady {
            session: session.as_deref(),
            user: &identity,
            connection: &connection.id,
            device: device.as_deref(),
            node: &self.app.node,
            durability: self.app.log.durability(),
            limits: self.app.config.as_ref().into(),
            server_time: clock::now_ms(),
            expires_at,
            rooms: rooms.as_deref(),
        };
        let ready = Frame::new(SessionReady::NAME, &ready);
        let caller = Caller::new(connection.clone(), identity, &self.app.config.limits);
        let caller = caller.named_by_token(is_named);
        self.app.rooms.add(connection.clone());
        if let Err(error) = self.app.moderation.may_stay(&connection.standing) {
            // Banned between the question and the answer.
            self.app.rooms.remove(&connection);
            connection.close(CloseReason::Refused);
            return Err(error);
        }
        self.app.metrics.sessions.add(1, &[Label::new("namespace", "chat")]);
        let online = (Place::online(caller.user()), caller.member());
        let native = Native { caller, app: self.app.clone(), _outbox: outbox.clone() };
        let pipe = self.pipe(Arc::new(native), outbox);
        wire(socket, &pipe, &self.door);
        self.door.count_connect("ok");
        socket.extensions.insert(Arrived { pipe, ready, connection, gateway: self.clone() });
        // Whether the online set could be told is not a reason to turn anybody away: what the
        // store does not hold yet, the next comparison enters.
        if let Err(error) = self.app.presence.enter(&online.0, &online.1).await {
            tracing::debug!(%error, "the online set is told later");
        }
        Ok(())
    }
}

/// Every event of a socket goes to its pipe, and its end too.
pub(in crate::gateway) fn wire(
    socket: &Arc<Socket<LocalAdapter>>,
    pipe: &Arc<Pipe>,
    door: &Arc<Door>,
) {
    socket.on_fallback(Inbound(pipe.clone()));
    let (gone, door) = (pipe.clone(), door.clone());
    socket.on_disconnect(move |reason: DisconnectReason| async move {
        door.count_disconnect(word(reason));
        gone.depart();
    });
}

/// Why a socket is gone, as the library sees it; of those that this node closed, `closed` says why.
fn word(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose => "client_closed",
        DisconnectReason::ClientNSDisconnect => "client_left",
        DisconnectReason::TransportError => "transport_error",
        DisconnectReason::HeartbeatTimeout => "ping_timeout",
        DisconnectReason::PacketParsingError => "bad_packet",
        DisconnectReason::MultipleHttpPollingError => "two_polls",
        DisconnectReason::ServerNSDisconnect | DisconnectReason::ClosingServer => "server_closed",
    }
}

/// Runs once CONNECT is sent: the first word, and then whatever the client said meanwhile.
async fn greet(socket: SocketRef) {
    if let Some(arrived) = socket.extensions.remove::<Arrived>() {
        arrived.connection.push(&arrived.ready);
        arrived.gateway.tell_if_degraded(&arrived.connection);
        arrived.pipe.start();
    }
}

fn read_auth(auth: Option<&str>) -> Result<Auth> {
    match auth {
        None | Some("") => Ok(Auth::default()),
        Some(auth) if auth.starts_with('{') => serde_json::from_str(auth)
            .map_err(|_| Error::Unauthorized("auth is an object of name, session and device")),
        Some(_) => Err(Error::Unauthorized("auth is an object")),
    }
}

impl Gateway {
    /// The outbox of a socket, on its session's link.
    pub(in crate::gateway) fn outbox(
        &self,
        socket: &Arc<Socket<LocalAdapter>>,
    ) -> Arc<SocketOutbox> {
        let eio3 = socket.protocol() == socketioxide::ProtocolVersion::V4;
        let began_as_websocket = guard::is_websocket(&socket.req_parts().uri);
        let own = began_as_websocket
            .then(|| socket.req_parts().extensions.get::<Arc<Conn>>().cloned())
            .flatten();
        let outbox = SocketOutbox::new(socket, self.door.link(socket.id, eio3, own));
        self.door.bind(socket.id, guard::opener(&socket.req_parts().headers));
        outbox
    }
}
