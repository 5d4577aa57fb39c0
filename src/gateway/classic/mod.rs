//! The namespace `/`: the tutorials' dialects, one file each, all speaking in one canonical room.
mod adduser;
mod chat_message;
mod io_hello;
pub(super) mod lobby;
mod msg_get;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler};

use self::lobby::Lobby;
use super::{
    Gateway,
    pipeline::{Conversation, Pipe, Reply},
    socket::connect::{Arriving, Rejected, wire},
};
use crate::{
    clock,
    domain::{
        id::ConnectionId,
        message::{Author, Draft, Message},
        moderation::Subject,
        nickname::Nickname,
        presence::Person,
        session::Vouched,
        view::View,
    },
    error::{Error, Result},
    events::say::say,
    policy::{access, rate_limit::Buckets},
    rooms::{Connection, Entered, Standing},
    state::AppState,
    store::log::Appended,
    telemetry::Label,
};

/// The dialects: which events are whose. A tutorial's next step finds its place here.
const DIALECTS: &[(View, &[&str])] = &[
    (View::CHAT_MESSAGE, &["chat message"]),
    (View::MSG_GET, &["msg:post"]),
    (View::ADDUSER, &["adduser", "message"]),
    (View::HELLO, &["IO_CLIENT_JOIN_ROOM", "IO_CLIENT_HELLO"]),
];

/// Whose event it is.
fn known(event: &str) -> Option<(View, &'static str)> {
    let of = |(view, events): &(View, &'static [&'static str])| {
        events.iter().find(|known| **known == event).map(|known| (*view, *known))
    };
    DIALECTS.iter().find_map(of)
}

/// One tutorial page's socket.
pub(super) struct Page {
    app: AppState,
    lobby: Arc<Lobby>,
    connection: Arc<Connection>,
    buckets: Buckets,
    /// The name of the last `adduser`.
    name: Mutex<Option<Nickname>>,
    /// What this socket is in the list of users as: one key for each `adduser`.
    seats: Mutex<Vec<ConnectionId>>,
}

#[async_trait]
impl Conversation for Page {
    async fn hear(&self, event: &str, args: &[&RawValue], reply: Reply) {
        let Some((dialect, event)) = known(event) else {
            return reply.refuse(&Error::UnknownEvent);
        };
        self.connection.speaks(dialect);
        let arg = args.first().map_or("null", |arg| arg.get());
        let mut span = self.app.traces.begin(event, self.app.traces.now(), None);
        match span.around(self.does(event, arg)).await {
            Ok(()) => reply.grant(&crate::events::Done {}),
            Err(error) => {
                span.failed((&error).into());
                reply.refuse(&error);
                self.buckets.hold(&error, &self.connection, false);
            }
        }
    }

    async fn depart(&self) {
        let seats = std::mem::take(&mut *self.seats.lock());
        for seat in seats {
            self.lobby.unseat(&self.app, self, &seat).await;
        }
        // Last: as long as it is in the registry, the drain waits for it.
        self.app.rooms.remove(&self.connection);
        self.app.metrics.sessions.add(-1, &[Label::new("namespace", "classic")]);
    }
}

impl Page {
    async fn does(&self, event: &str, arg: &str) -> Result<()> {
        match event {
            "chat message" => chat_message::chat_message(self, arg).await,
            "msg:post" => msg_get::msg_post(self, arg).await,
            "adduser" => adduser::adduser(self, arg).await,
            "message" => adduser::message(self, arg).await,
            "IO_CLIENT_JOIN_ROOM" => io_hello::join_room(self, arg).await,
            _ => io_hello::hello(arg),
        }
    }

    /// Says something in the canonical room, under the name this page goes by.
    async fn say(&self, text: &str, name: Option<String>) -> Result<Appended> {
        access::may_speak(&self.connection)?;
        self.buckets.message()?;
        let text = Draft::try_from(text.to_owned()).map_err(|e| Error::TooLarge {
            message: e.to_string(),
            field: Some("text".to_owned()),
        })?;
        let terms = self.buckets.terms(self.known_as(name.as_deref()));
        let person = Person { id: self.connection.user.clone(), name, classic: true };
        let message = Message {
            room: self.lobby.room.clone(),
            mid: clock::new_mid(),
            author: Author { person, connection: self.connection.id.clone() },
            text,
            terms,
        };
        let said = say(&message, &self.app).await?;
        self.app.metrics.acked.add(1, &[]);
        Ok(said)
    }

    /// A post may come under a name of its own.
    fn known_as(&self, name: Option<&str>) -> Arc<[Subject]> {
        let mut known_as = self.connection.standing.held_by().to_vec();
        let name = name.and_then(|name| Nickname::try_from(name.to_owned()).ok());
        let name = name.map(|name| Subject::Name(name.skeleton()));
        known_as.extend(name.filter(|name| !known_as.contains(name)));
        known_as.into()
    }

    /// A name a page gives, for itself or for one post: fit to be shown, and nobody else's.
    fn name(&self, text: &str) -> Result<Nickname> {
        let name = Nickname::try_from(text.to_owned()).map_err(|e| Error::bad_field("user", &e))?;
        self.app.guests.may_be_called(&name)?;
        self.app.moderation.may_be_called(Subject::Name(name.skeleton()))?;
        Ok(name)
    }
}

/// A bare text, which is what most dialects send.
fn text(arg: &str) -> Result<String> {
    serde_json::from_str(arg).map_err(|_| Error::bad_request("the argument is a text"))
}

#[derive(Clone)]
struct Arrived {
    pipe: Arc<Pipe>,
    page: Arc<Page>,
    entered: Arc<Mutex<Option<Entered>>>,
}

impl Gateway {
    pub(super) fn register_classic(&self, io: &SocketIo, lobby: &Arc<Lobby>) {
        let (gateway, lobby) = (self.clone(), lobby.clone());
        let arrive = move |arriving: Arriving| {
            let (gateway, lobby) = (gateway.clone(), lobby.clone());
            async move { gateway.arrive_classic(arriving, lobby).await }
        };
        io.ns("/", greet.with(arrive));
    }

    /// A page hears the room before it knows that it is connected, so it misses nothing.
    async fn arrive_classic(self, arriving: Arriving, lobby: Arc<Lobby>) -> Result<(), Rejected> {
        let outbox = self.outbox(&arriving.socket);
        // Pages bring no credentials, and nothing here reads them; but what cannot be read at all
        // is no packet of Socket.IO's.
        arriving.is_well_formed().map_err(|error| self.reject(&outbox, &error))?;
        let admitted = self.admit_page(&arriving, &lobby).await;
        let standing = admitted.map_err(|error| self.reject(&outbox, &error))?;
        let socket = arriving.socket;
        let user = standing.user().clone();
        let id = clock::new_connection();
        let connection = Connection::new(id, user, View::UNDECIDED, outbox.clone(), standing);
        self.app.rooms.add(connection.clone());
        if let Err(error) = self.app.moderation.may_stay(&connection.standing) {
            self.app.rooms.remove(&connection);
            return Err(self.reject(&outbox, &error));
        }
        self.app.metrics.sessions.add(1, &[Label::new("namespace", "classic")]);
        let page = Arc::new(Page {
            app: self.app.clone(),
            lobby,
            connection,
            buckets: Buckets::new(&self.app.config.limits),
            name: Mutex::default(),
            seats: Mutex::default(),
        });
        let pipe = self.pipe(page.clone(), outbox);
        wire(&socket, &pipe, &self.door);
        self.door.count_connect("ok");
        let entered = self.app.rooms.enter(&page.connection, &page.lobby.room);
        match &entered {
            // While the store is away the page connects all the same, and hears later.
            Ok(entered) => entered.ready().await.unwrap_or_default(),
            Err(error) => tracing::warn!(%error, "a page hears nothing"),
        }
        let entered = Arc::new(Mutex::new(entered.ok()));
        socket.extensions.insert(Arrived { pipe, page, entered });
        Ok(())
    }
}

impl Gateway {
    /// Whether a page may come in, and into the one room it is always in.
    async fn admit_page(&self, arriving: &Arriving, lobby: &Lobby) -> Result<Standing> {
        if self.app.tokens.is_some() {
            return Err(Error::Unauthorized("this server asks for a token, and pages have none"));
        }
        let address = self.address_of(&arriving.socket);
        let vouched = Vouched::guest(clock::now_ms());
        let standing = Standing::new(clock::new_guest(), address, None, vouched);
        self.app.moderation.may_stay(&standing)?;
        match self.app.moderation.may_enter(&lobby.room, &standing).await {
            Err(error @ Error::Banned { .. }) => Err(error),
            // While the store is away the page connects all the same; what it says asks again.
            _ => Ok(standing),
        }
    }
}

async fn greet(socket: SocketRef) {
    if let Some(Arrived { pipe, page, entered }) = socket.extensions.remove::<Arrived>() {
        // Only now can anything be sent; what was said meanwhile has been kept for it.
        if let Some(entered) = entered.lock().take() {
            entered.go_live(None, 0);
        }
        pipe.start();
        page.lobby.show_posts(&page.app, &page.connection).await;
    }
}
