//! A rival: socketioxide with its own Redis adapter, as its documentation shows it. It remembers
//! nothing, numbers nothing, and acknowledges what it has published.
//!
//! `PORT=…  REDIS=redis://…  [BROADCAST_CAPACITY=…] socketioxide_redis`
use std::{
    env,
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::Router;
use fred::{prelude::*, types::RespVersion};
use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    adapter::Adapter,
    extract::{AckSender, Data, SocketRef},
};
use socketioxide_redis::{FredAdapter, RedisAdapterConfig, RedisAdapterCtr};

#[derive(Deserialize)]
struct Join {
    room: String,
}

#[derive(Deserialize)]
struct Send {
    room: String,
    mid: String,
    text: String,
}

#[derive(Serialize)]
struct New<'a> {
    room: &'a str,
    mid: &'a str,
    ts: u64,
    user: User,
    text: &'a str,
}

#[derive(Serialize)]
struct User {
    id: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct Ack {
    ok: bool,
}

const USER: User = User { id: "g_benchbenchbenchbenchbench", name: "load benchxx 100" };

async fn on_connect<A: Adapter>(socket: SocketRef<A>) {
    socket.on("room:join", async |socket: SocketRef<A>, ack: AckSender<A>, Data(join): Data<Join>| {
        socket.join(join.room);
        ack.send(&Ack { ok: true }).ok();
    });
    socket.on("message:send", async |socket: SocketRef<A>, ack: AckSender<A>, Data(said): Data<Send>| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ts = u64::try_from(since.as_millis()).unwrap_or(0);
        let new = New { room: &said.room, mid: &said.mid, ts, user: USER, text: &said.text };
        let told = socket.within(said.room.clone()).emit("message:new", &new).await;
        ack.send(&Ack { ok: told.is_ok() }).ok();
    });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::from_url(&env::var("REDIS")?)?;
    config.version = RespVersion::RESP3;
    let mut builder = Builder::from_config(config);
    let mut adapter_config = RedisAdapterConfig::new();
    // As they are, fred keeps 32 messages and drops the rest, which the adapter only logs.
    if let Some(capacity) = env::var("BROADCAST_CAPACITY").ok().and_then(|text| text.parse().ok()) {
        builder.with_performance_config(|performance| {
            performance.broadcast_channel_capacity = capacity;
        });
        adapter_config = adapter_config.with_stream_buffer(capacity);
    }
    let client = builder.build_subscriber_client()?;
    let adapter = RedisAdapterCtr::new_with_fred_config(client, adapter_config).await?;
    let (layer, io) = SocketIo::builder()
        .max_buffer_size(8_192)
        .with_adapter::<FredAdapter<_>>(adapter)
        .build_layer();
    io.ns("/chat", on_connect).await?;

    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(format!("127.0.0.1:{}", env::var("PORT")?).parse()?)?;
    let listener = socket.listen(4_096)?;
    println!("listening");
    axum::serve(listener, Router::new().layer(layer)).await?;
    Ok(())
}
