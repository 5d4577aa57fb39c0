//! Scripts: run by their hash, and sent whole to a server that does not know them yet.
use std::{
    fmt::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use fred::{
    error::{Error as Failure, ErrorKind},
    prelude::{Client, ClientLike, FromValue, LuaInterface, Value},
    types::{ClusterHash, CustomCommand},
    util::redis_keyslot,
};
use sha1::{Digest, Sha1};

use super::{
    Link,
    failure::{is_no_script, is_redirected},
};
use crate::error::Result;

/// Goes around every script: its reply begins with the number of its request. fred matches replies
/// to requests by their order alone, so one lost reply would give every later request the reply of
/// another; this is how it is noticed.
const OPENING: &str = "local number = table.remove(ARGV)\nlocal reply = (function()\n";
const CLOSING: &str = "\nend)()\nif type(reply) == 'table' and reply.err then return reply end\n\
                       return { number, reply }";

/// A script that is run on keys of one slot.
///
/// `EVALSHA`, and `SCRIPT LOAD` where the slot's server does not know it: at first, after a failover
/// or a restart. No `EVAL`, which a node's user at Redis need not have.
pub struct Script {
    body: &'static str,
    text: OnceLock<String>,
    hash: OnceLock<String>,
}

/// Any one command on one key.
pub(super) static COMMAND: Script =
    Script::new("return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))");

impl Script {
    pub const fn new(body: &'static str) -> Self {
        Self { body, text: OnceLock::new(), hash: OnceLock::new() }
    }

    /// Runs one whose reply is a flat list of texts. All keys must share a hash tag.
    pub async fn run(
        &self,
        link: &Link,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<Vec<String>> {
        self.call(link, keys, args).await
    }

    /// The same, whatever the reply is.
    pub(super) async fn call<T: FromValue>(
        &self,
        link: &Link,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<T> {
        let key = keys.first().cloned().unwrap_or_default();
        let client = link.commands(&key)?;
        let request = Request::new(keys, args);
        let began = Instant::now();
        let once = self.attempt(client, &key, &request).await;
        let reply = match once {
            Err(failure) if is_redirected(&failure) => self.attempt(client, &key, &request).await,
            other => other,
        };
        let reply = reply.and_then(|reply| request.answer(reply));
        link.took(began, reply.is_ok());
        reply.map_err(|failure| link.failed(&key, &failure))
    }

    async fn attempt(
        &self,
        client: &Client,
        key: &str,
        request: &Request,
    ) -> Result<Value, Failure> {
        let run = || client.evalsha(self.hash(), request.keys.clone(), request.args.clone());
        match run().await {
            Err(failure) if is_no_script(&failure) => {
                self.load(client, key).await?;
                run().await
            }
            reply => reply,
        }
    }

    /// Makes it known to the server that has this key.
    pub(super) async fn load(&self, client: &Client, key: &str) -> Result<(), Failure> {
        let slot = ClusterHash::Custom(redis_keyslot(key.as_bytes()));
        let script = CustomCommand::new_static("SCRIPT", slot, false);
        let known: Value = client.custom(script, vec!["LOAD", self.text()]).await?;
        // Whatever else it is, it is the reply of another request.
        if known.as_str().as_deref() == Some(self.hash()) { Ok(()) } else { Err(out_of_step()) }
    }

    fn text(&self) -> &str {
        self.text.get_or_init(|| [OPENING, self.body, CLOSING].concat())
    }

    /// By which Redis knows the script.
    pub(super) fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut hash = String::with_capacity(40);
            for byte in Sha1::digest(self.text()) {
                let _ = write!(hash, "{byte:02x}");
            }
            hash
        })
    }
}

/// A numbered request.
pub(super) struct Request {
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<String>,
    number: String,
}

impl Request {
    pub(super) fn new(keys: Vec<String>, mut args: Vec<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        args.push(number.clone());
        Self { keys, args, number }
    }

    /// The reply, if it is this request's.
    pub(super) fn answer<T: FromValue>(&self, reply: Value) -> Result<T, Failure> {
        let Value::Array(parts) = reply else { return Err(out_of_step()) };
        let mut parts = parts.into_iter();
        match parts.next() {
            Some(number) if number.as_str().as_deref() == Some(&self.number) => {}
            _ => return Err(out_of_step()),
        }
        // Nothing at the end of a list is left out by Lua.
        parts.next().unwrap_or(Value::Null).convert()
    }
}

fn out_of_step() -> Failure {
    Failure::new(ErrorKind::Protocol, "this is the reply of another request")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(number: &str) -> Value {
        Value::Array(vec![number.into(), Value::Array(vec!["yes".into()])])
    }

    #[test]
    fn the_reply_of_another_request_is_taken_for_nothing() {
        let (mine, next) = (Request::new(vec![], vec![]), Request::new(vec![], vec![]));

        let answer: Vec<String> = mine.answer(reply(&mine.number)).unwrap();
        assert_eq!(answer, ["yes"]);

        for stranger in [reply(&next.number), "PONG".into(), Value::Integer(1), Value::Null] {
            let failure = mine.answer::<Vec<String>>(stranger).unwrap_err();
            assert_eq!(*failure.kind(), ErrorKind::Protocol);
        }
    }
}
