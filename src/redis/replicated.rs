//! Many scripts and one wait: none has succeeded before a second Redis has what it wrote.
use std::time::Instant;

use fred::{
    error::Error as Failure,
    prelude::{Client, ClientLike, Value},
    types::{ClusterHash, CustomCommand},
    util::redis_keyslot,
};

use super::{Link, Script, failure::is_no_script, script::Request};
use crate::error::{Error, Outcome, Result};

/// How many replicas must have it.
const REPLICAS: u64 = 1;
/// How long they may take, in ms; then nobody knows, and whoever asked may ask again.
const WAIT_MS: u64 = 200;

/// Runs one script for each pair of keys and arguments, all on keys of one server. The results
/// come in the order asked.
///
/// They go out together with the `WAIT`, because it asks about its own connection only: on a new
/// one, after a failover, it would answer for nothing.
pub async fn run_replicated(
    script: &Script,
    link: &Link,
    asked: Vec<(Vec<String>, Vec<String>)>,
) -> Vec<Result<Vec<String>>> {
    let Some(key) = asked.first().and_then(|(keys, _)| keys.first()).cloned() else {
        return Vec::new();
    };
    let Ok(client) = link.commands(&key) else {
        return refuse(asked.len(), || Error::unavailable(Outcome::None));
    };
    let requests: Vec<Request> =
        asked.into_iter().map(|(keys, args)| Request::new(keys, args)).collect();
    let began = Instant::now();
    let known = attempt(script, client, &key, &requests).await;
    let replies = match known {
        // Then no server of this slot has it: they were all asked of the same one.
        Ok(replies) if replies.iter().any(|r| r.as_ref().err().is_some_and(is_no_script)) => {
            match script.load(client, &key).await {
                Ok(()) => attempt(script, client, &key, &requests).await,
                Err(failure) => Err(Short::Failed(failure)),
            }
        }
        other => other,
    };
    link.took(began, replies.is_ok());
    match replies {
        Ok(replies) => requests
            .iter()
            .zip(replies)
            .map(|(request, reply)| reply.and_then(|reply| request.answer(reply)))
            .map(|answer| answer.map_err(|failure| link.failed(&key, &failure)))
            .collect(),
        Err(Short::Failed(failure)) => refuse(requests.len(), || link.failed(&key, &failure)),
        Err(Short::Alone) => refuse(requests.len(), || Error::unavailable(Outcome::Unknown)),
    }
}

/// Why none of them can be said to have succeeded.
enum Short {
    Failed(Failure),
    /// Too few replicas have it.
    Alone,
}

async fn attempt(
    script: &Script,
    client: &Client,
    key: &str,
    requests: &[Request],
) -> Result<Vec<Result<Value, Failure>>, Short> {
    let slot = || ClusterHash::Custom(redis_keyslot(key.as_bytes()));
    let pipeline = client.pipeline();
    // Only put into the pipeline here; the answers come below.
    for request in requests {
        let mut args = vec![script.hash().to_owned(), request.keys.len().to_string()];
        args.extend(request.keys.iter().chain(&request.args).cloned());
        let command = CustomCommand::new_static("EVALSHA", slot(), false);
        pipeline.custom::<(), _>(command, args).await.map_err(Short::Failed)?;
    }
    let wait = CustomCommand::new_static("WAIT", slot(), false);
    let args = vec![REPLICAS.to_string(), WAIT_MS.to_string()];
    pipeline.custom::<(), _>(wait, args).await.map_err(Short::Failed)?;
    let mut replies = pipeline.try_all::<Value>().await;
    if replies.len() != requests.len() + 1 {
        let failure = replies.into_iter().find_map(Result::err);
        return Err(failure.map_or(Short::Alone, Short::Failed));
    }
    match replies.pop() {
        Some(Ok(count)) if count.as_u64().is_some_and(|count| count >= REPLICAS) => Ok(replies),
        Some(Err(failure)) => Err(Short::Failed(failure)),
        _ if replies.iter().all(Result::is_err) => Ok(replies),
        _ => Err(Short::Alone),
    }
}

fn refuse(count: usize, why: impl Fn() -> Error) -> Vec<Result<Vec<String>>> {
    (0..count).map(|_| Err(why())).collect()
}
