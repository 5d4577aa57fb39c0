//! What the events of moderation share: whom an order concerns, and how it is carried out.
use schemars::JsonSchema;
use serde::Deserialize;

use super::Caller;
use crate::{
    clock,
    domain::{
        address::Address,
        id::{RoomId, UserId},
        moderation::{Act, Deed, Reason, Subject, TokenId},
        nickname::Nickname,
    },
    error::{Error, Result},
    policy::access,
    state::AppState,
};

/// Whom it concerns, where, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Without it, everywhere.
    #[serde(default)]
    room: Option<RoomId>,
    /// Exactly one of `user`, `name` and `address`.
    #[serde(default)]
    user: Option<UserId>,
    /// Whoever goes by a name that reads like this one.
    #[serde(default)]
    name: Option<Nickname>,
    /// Whoever comes from there.
    #[serde(default)]
    address: Option<Address>,
    /// ms since 1970; without it, for ever. Only where something lasts.
    #[serde(default)]
    until: Option<u64>,
    /// For the record.
    #[serde(default)]
    reason: Reason,
}

/// 2^53 - 1: later than anything, and exact in every language.
const LATEST: u64 = (1 << 53) - 1;

impl Order {
    /// Carries it out: on every node when this returns, or within a second.
    pub(super) async fn carry_out(self, deed: Deed, caller: &Caller, app: &AppState) -> Result<()> {
        let subject = match (self.user, self.name, self.address) {
            (Some(user), None, None) => Subject::User(user),
            (None, Some(name), None) => Subject::Name(name.skeleton()),
            (None, None, Some(address)) => Subject::Address(address),
            _ => return Err(Error::bad_request("give exactly one of user, name and address")),
        };
        if self.until.is_some() && deed.begins().is_none() {
            return Err(Error::bad_request("only a ban and a mute have an until"));
        }
        let at = clock::now_ms();
        if self.until.is_some_and(|until| until <= at || until > LATEST) {
            return Err(Error::BadRequest {
                message: "until lies in the future, in ms since 1970".to_owned(),
                field: Some("until".to_owned()),
            });
        }
        app.roles.may_moderate(self.room.as_ref(), &caller.connection).await?;
        let act = Act {
            room: self.room,
            subject: Some(subject),
            until: self.until,
            reason: self.reason,
            ..Act::new(at, caller.person(), deed)
        };
        app.moderation.decide(&act).await
    }
}

/// What is withdrawn: all that vouches for a user so far, or one token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Exactly one of `user` and `token`.
    #[serde(default)]
    user: Option<UserId>,
    /// A token's `jti`.
    #[serde(default)]
    token: Option<TokenId>,
    /// For the record.
    #[serde(default)]
    reason: Reason,
}

impl Withdrawal {
    pub(super) async fn carry_out(self, caller: &Caller, app: &AppState) -> Result<()> {
        let subject = match (self.user, self.token) {
            (Some(user), None) => Subject::User(user),
            (None, Some(token)) => Subject::Token(token),
            _ => return Err(Error::bad_request("give exactly one of user and token")),
        };
        access::is_admin(&caller.connection)?;
        let at = clock::now_ms();
        // By then everything that was given before has ended by itself.
        let auth = &app.config.auth;
        let longest = auth.jwt_lifetime.max(auth.guest_lifetime) + 2 * auth.jwt_leeway;
        let longest = u64::try_from(longest.as_millis()).unwrap_or(LATEST);
        let act = Act {
            subject: Some(subject),
            until: Some(at.saturating_add(longest).min(LATEST)),
            reason: self.reason,
            ..Act::new(at, caller.person(), Deed::Revoke)
        };
        app.moderation.decide(&act).await
    }
}
