//! What a failed command means to whoever asked: it did not happen, or nobody knows.
use fred::error::{Error as Failure, ErrorKind};

use crate::error::{Error, Outcome};

/// Redis refused before it wrote anything. (`CLUSTERDOWN` is not among them: fred hands the one
/// reply to every command in flight, and some of those may have been done.)
const REFUSED: [&str; 8] =
    ["LOADING", "OOM", "MISCONF", "READONLY", "NOREPLICAS", "TRYAGAIN", "MASTERDOWN", "NOSCRIPT"];
/// fred's words for a command that it never wrote.
const NEVER_SENT: [&str; 5] = [
    "Failed to route command",
    "Client is not initialized",
    "Failed to send command to router",
    "Missing server for hash slot",
    REDIRECTED,
];
/// fred's words for a command that was answered `MOVED` and had no attempt left to follow it. It
/// was not done, and fred has learned where the slot is now.
const REDIRECTED: &str = "Too many failed write attempts";

/// A failure as a refusal.
pub fn refusal(failure: &Failure) -> Error {
    let says = failure.details();
    let starts = |words: &[&str]| words.iter().any(|word| says.starts_with(word));
    match failure.kind() {
        _ if starts(&REFUSED) || starts(&NEVER_SENT) => Error::unavailable(Outcome::None),
        ErrorKind::Backpressure => Error::unavailable(Outcome::None),
        ErrorKind::Timeout
        | ErrorKind::IO
        | ErrorKind::Canceled
        | ErrorKind::Routing
        | ErrorKind::Cluster
        | ErrorKind::Sentinel
        | ErrorKind::Protocol
        | ErrorKind::Auth
        | ErrorKind::Tls => Error::unavailable(Outcome::Unknown),
        _ => Error::Internal(anyhow::anyhow!("Redis: {failure}")),
    }
}

/// Whether nobody answered in time.
pub(super) fn is_silence(failure: &Failure) -> bool {
    *failure.kind() == ErrorKind::Timeout
}

/// Whether the answer was that of another request: so are all that follow on this connection.
pub(super) fn is_out_of_step(failure: &Failure) -> bool {
    *failure.kind() == ErrorKind::Protocol
}

/// Whether the server does not know the script.
pub(super) fn is_no_script(failure: &Failure) -> bool {
    failure.details().starts_with("NOSCRIPT")
}

/// Whether the same command, again, goes to where its slot has moved.
pub(super) fn is_redirected(failure: &Failure) -> bool {
    failure.details().starts_with(REDIRECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: ErrorKind, says: &'static str) -> Option<Outcome> {
        match refusal(&Failure::new(kind, says)) {
            Error::Unavailable { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    #[test]
    fn what_redis_refused_did_not_happen_and_what_was_lost_is_unknown() {
        for says in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "LOADING Redis is loading the dataset in memory",
            "Failed to route command.",
        ] {
            assert_eq!(outcome(ErrorKind::Unknown, says), Some(Outcome::None), "{says}");
        }
        assert_eq!(outcome(ErrorKind::Timeout, "Request timed out."), Some(Outcome::Unknown));
        assert_eq!(outcome(ErrorKind::IO, "Connection closed."), Some(Outcome::Unknown));
        assert_eq!(outcome(ErrorKind::Cluster, "CLUSTERDOWN down"), Some(Outcome::Unknown));
        assert_eq!(outcome(ErrorKind::InvalidArgument, "WRONGTYPE Operation"), None);
    }
}
