//! `system:notice`: what concerns the connection and not a room: that it will be closed, and that
//! the store is away or back.
use std::{sync::atomic::Ordering, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

use super::Gateway;
use crate::{
    clock,
    domain::view::View,
    events::{ServerEvent as _, session_expiring::SessionExpiring},
    rooms::{CloseReason, Connection, Frame},
};

/// A store that is back within this time was never away for people.
const A_MOMENT: Duration = Duration::from_secs(1);

/// How often connections are looked at whose token may end.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Said before the server closes a connection, where it can still be said; and when the store goes
/// and comes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Notice {
    pub code: NoticeCode,
    /// Whether to come back. `false` also where nothing is closed.
    pub reconnect: bool,
    /// When, in ms from now. If `draining`, the connection is closed then, and stays open until
    /// then.
    pub after_ms: u64,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// It did not read what it was sent; it may come back at once and resume.
    SlowConsumer,
    /// The node is going away; come back after the time the notice says.
    Draining,
    /// An event was larger than allowed.
    TooLarge,
    /// It went on and on although it was told to slow down.
    RateLimited,
    /// Something it said did not come to its end in time.
    Unfinished,
    /// It was refused in the handshake.
    Refused,
    /// Banned from everywhere; who comes back is refused.
    Banned,
    /// Sent out; may come back.
    Kicked,
    /// The token has ended; come back with another one.
    Expired,
    /// The token was withdrawn; who comes back with it is refused.
    Revoked,
    /// The store is away: nothing is closed, what is sent is refused with `unavailable`.
    Degraded,
    /// The store is back, and nothing that was acknowledged is lost.
    Restored,
}

impl From<CloseReason> for NoticeCode {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::SlowConsumer => Self::SlowConsumer,
            CloseReason::Draining => Self::Draining,
            CloseReason::TooLarge => Self::TooLarge,
            CloseReason::RateLimited => Self::RateLimited,
            CloseReason::Unfinished => Self::Unfinished,
            CloseReason::Refused => Self::Refused,
            CloseReason::Banned => Self::Banned,
            CloseReason::Kicked => Self::Kicked,
            CloseReason::Expired => Self::Expired,
            CloseReason::Revoked => Self::Revoked,
        }
    }
}

impl Notice {
    pub(super) const NAME: &'static str = "system:notice";

    /// Before the connection is closed, after which the client comes back by itself, if it may.
    pub(super) fn closing(reason: CloseReason, after_ms: u64) -> Frame {
        let is_final =
            matches!(reason, CloseReason::Banned | CloseReason::Expired | CloseReason::Revoked);
        let notice = Self { code: reason.into(), reconnect: !is_final, after_ms };
        Frame::new(Self::NAME, &notice)
    }

    fn staying(code: NoticeCode) -> Frame {
        Frame::new(Self::NAME, &Self { code, reconnect: false, after_ms: 0 })
    }
}

impl Gateway {
    /// Tells everybody once when the store has been away for more than a moment, and once when it
    /// is back.
    pub async fn tell_of_store(self, mut up: watch::Receiver<bool>) {
        // Before it was there for the first time nobody is let in.
        while up.wait_for(|up| *up).await.is_ok() {
            if up.wait_for(|up| !*up).await.is_err() {
                return;
            }
            if tokio::time::timeout(A_MOMENT, up.wait_for(|up| *up)).await.is_ok() {
                continue;
            }
            tracing::warn!("the store is away; clients are told");
            self.degraded.store(true, Ordering::Release);
            self.tell_all(NoticeCode::Degraded);
            if up.wait_for(|up| *up).await.is_err() {
                return;
            }
            self.degraded.store(false, Ordering::Release);
            self.tell_all(NoticeCode::Restored);
        }
    }

    /// Tells those whose token is about to end, and closes those whose has.
    pub async fn watch_for_expired(self) {
        let notice = u64::try_from(self.app.config.auth.jwt_notice.as_millis()).unwrap_or(0);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = clock::now_ms();
            for connection in self.app.rooms.connections() {
                let Some(at) = connection.standing.expires_at() else { continue };
                if at <= now {
                    connection.close(CloseReason::Expired);
                } else if at <= now.saturating_add(notice) && connection.standing.is_to_be_warned()
                {
                    let expiring = SessionExpiring { in_ms: at - now };
                    connection.push(&Frame::new(SessionExpiring::NAME, &expiring));
                }
            }
        }
    }

    /// Who comes while the store is away is told too.
    pub(super) fn tell_if_degraded(&self, connection: &Connection) {
        if self.degraded.load(Ordering::Acquire) {
            connection.push(&Notice::staying(NoticeCode::Degraded));
        }
    }

    fn tell_all(&self, code: NoticeCode) {
        let frame = Notice::staying(code);
        for connection in self.app.rooms.connections() {
            if connection.view().meets(View::NATIVE) {
                connection.push(&frame);
            }
        }
    }
}
