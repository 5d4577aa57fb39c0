//! Scripts: run by their hash, and sent whole to a server that does not know them yet.
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use fred::{
    error::{Error as Failure, ErrorKind},
    prelude::{Client, FromValue, LuaInterface, Value},
};

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
/// `EVALSHA`, then `EVAL`: no `SCRIPT LOAD`, so it works on whichever node of a cluster has the
/// slot, after a failover or a restart, and for a user that may do no more than these two.
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
        let once = self.attempt(client, &request).await;
        let reply = match once {
            Err(failure) if is_redirected(&failure) => self.attempt(client, &request).await,
            other => other,
        };
        let reply = reply.and_then(|reply| request.answer(reply));
        link.took(began, reply.is_ok());
        reply.map_err(|failure| link.failed(&key, &failure))
    }

    async fn attempt(&self, client: &Client, request: &Request) -> Result<Value, Failure> {
        let hash = self.hash(client).await?;
        match client.evalsha(hash, request.keys.clone(), request.args.clone()).await {
            Err(failure) if is_no_script(&failure) => {
                client.eval(self.text(), request.keys.clone(), request.args.clone()).await
            }
            reply => reply,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.text.get_or_init(|| [OPENING, self.body, CLOSING].concat())
    }

    /// The hash by which Redis knows the script. Redis itself reckons it, once a process:
    /// SHA-1 has no other use here.
    pub(super) async fn hash(&self, client: &Client) -> Result<&str, Failure> {
        if let Some(hash) = self.hash.get() {
            return Ok(hash);
        }
        let none: Vec<String> = Vec::new();
        let reckon = "return redis.sha1hex(ARGV[1])";
        let hash: String = client.eval(reckon, none, vec![self.text().to_owned()]).await?;
        // Whatever else it is, it is no hash of ours: the reply of another request.
        if hash.len() != 40 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(out_of_step());
        }
        Ok(self.hash.get_or_init(|| hash))
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
