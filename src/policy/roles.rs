//! Who makes a room, who is what in it, and who may say so. What somebody is lies in the store, and is
//! asked there.
use std::sync::Arc;

use crate::{
    clock,
    config::rooms::Rooms as RoomsConfig,
    domain::{
        id::{RoomId, UserId},
        moderation::{Act, Deed, Subject},
        presence::Person,
        room::{Kind, Membership, RoomRole},
    },
    error::{Error, Result},
    policy::access,
    rooms::{Connection, Standing},
    store::{
        self,
        roles::{Change, Holders},
    },
};

/// How often a change is tried when somebody else is quicker.
const TRIES: usize = 3;

/// Cheap to clone.
#[derive(Clone)]
pub struct Roles(Arc<Inner>);

struct Inner {
    store: Arc<dyn store::roles::Roles>,
    config: RoomsConfig,
    most_rooms: usize,
}

impl Roles {
    pub fn new(
        store: Arc<dyn store::roles::Roles>,
        config: RoomsConfig,
        most_rooms: usize,
    ) -> Self {
        Self(Arc::new(Inner { store, config, most_rooms }))
    }

    /// The rooms somebody is in for good.
    pub async fn rooms_of(&self, user: &UserId) -> Result<Vec<Membership>> {
        self.0.store.rooms_of(user).await
    }

    async fn role(&self, room: &RoomId, user: &UserId) -> Result<Option<RoomRole>> {
        let roles = self.0.store.roles(room, std::slice::from_ref(user)).await?;
        Ok(roles.first().copied().flatten())
    }

    /// What somebody may do in a room. Who moderates everywhere keeps every public room; a room
    /// that is not theirs is none.
    async fn authority(&self, room: &RoomId, standing: &Standing) -> Result<RoomRole> {
        if room.is_public() && standing.role().moderates() {
            return Ok(RoomRole::Owner);
        }
        match self.role(room, standing.user()).await? {
            Some(role) => Ok(role),
            None if room.is_public() => Ok(RoomRole::Guest),
            None => Err(Error::NotFound),
        }
    }

    /// Whether one keeps order there; without a room, everywhere.
    pub async fn may_moderate(&self, room: Option<&RoomId>, connection: &Connection) -> Result<()> {
        let Some(room) = room else { return access::may_moderate(connection) };
        if self.authority(room, &connection.standing).await?.moderates() {
            return Ok(());
        }
        Err(Error::Forbidden("only moderators may do this"))
    }

    /// Whether one may know who is what there: whoever is in a room that is not public, and who keeps
    /// order in one that is.
    pub async fn may_know_roles(&self, room: &RoomId, connection: &Connection) -> Result<()> {
        if room.is_public() {
            return self.may_moderate(Some(room), connection).await;
        }
        self.authority(room, &connection.standing).await.map(drop)
    }

    /// So many of those who have a role there, after this user.
    pub async fn holders(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Holders> {
        self.0.store.holders(room, after, limit).await
    }

    /// Whether one reads what was done there: who keeps order in a room by their role in it, and
    /// admins, but not in what is none of theirs.
    pub async fn may_read_record(
        &self,
        room: Option<&RoomId>,
        connection: &Connection,
    ) -> Result<()> {
        let is_admin = access::is_admin(connection);
        let Some(room) = room else { return is_admin };
        if room.is_public() && is_admin.is_ok() {
            return Ok(());
        }
        match self.role(room, connection.standing.user()).await? {
            Some(role) if role.moderates() => Ok(()),
            None if !room.is_public() => Err(Error::NotFound),
            _ => is_admin,
        }
    }

    /// Makes a room, whose owner is whoever makes it.
    pub async fn create(
        &self,
        room: &RoomId,
        announce: bool,
        (by, standing): (Person, &Standing),
    ) -> Result<()> {
        let RoomsConfig { create_public, create_private, .. } = self.0.config;
        let least = if room.is_public() { create_public } else { create_private };
        if standing.role() < least {
            return Err(Error::Forbidden("you may not make such a room"));
        }
        let owner = by.id.clone();
        let act = Act { announce: Some(announce), ..given(room, &owner, by, RoomRole::Owner) };
        let change = Change { is_new: true, ..self.change(act, vec![(owner, RoomRole::Owner)]) };
        if self.0.store.change(&change).await? {
            return Ok(());
        }
        Err(Error::Conflict("there is such a room already"))
    }

    /// The conversation of two, which they both are in from now on; whether it had to be begun.
    pub async fn open_direct(&self, by: Person, other: &UserId) -> Result<(RoomId, bool)> {
        let room =
            RoomId::direct(&by.id, other).map_err(|invalid| Error::bad_field("user", &invalid))?;
        let both = [by.id.clone(), other.clone()];
        if self.0.store.roles(&room, &both).await?.iter().all(Option::is_some) {
            return Ok((room, false));
        }
        let act = given(&room, other, by, RoomRole::Member);
        let change = self.change(act, both.map(|user| (user, RoomRole::Member)).into());
        self.0.store.change(&change).await?;
        Ok((room, true))
    }

    /// Gives somebody a role, or takes away the one they have.
    pub async fn give(
        &self,
        room: &RoomId,
        (user, role): (&UserId, Option<RoomRole>),
        (by, standing): (Person, &Standing),
    ) -> Result<()> {
        for _ in 0..TRIES {
            let authority = self.authority(room, standing).await?;
            let asked = [by.id.clone(), user.clone()];
            let [mine, theirs] = self.0.store.roles(room, &asked).await?[..] else {
                return Err(anyhow::anyhow!("the store did not say who is what").into());
            };
            if role.is_none() && theirs.is_none() {
                return Ok(());
            }
            let asks = Asks { authority, owns: mine == Some(RoomRole::Owner), user, by: &by.id };
            asks.may_make(room.kind(), theirs, role)?;
            let mut becomes = vec![(user.clone(), role)];
            if role == Some(RoomRole::Owner) {
                becomes.push((by.id.clone(), Some(RoomRole::Moderator)));
            }
            let deed = if role.is_some() { Deed::Invite } else { Deed::Uninvite };
            let act = Act { deed, role, ..concerning(room, user, by.clone()) };
            let seen = vec![(by.id.clone(), mine), (user.clone(), theirs)];
            let change = Change { seen, becomes, ..self.change(act, Vec::new()) };
            if self.0.store.change(&change).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict("others change this room too; look, and try again"))
    }

    fn change(&self, act: Act, becomes: Vec<(UserId, RoomRole)>) -> Change {
        let becomes = becomes.into_iter().map(|(user, role)| (user, Some(role))).collect();
        let most_rooms = self.0.most_rooms;
        Change { act, is_new: false, seen: Vec::new(), becomes, most_rooms }
    }
}

fn concerning(room: &RoomId, user: &UserId, by: Person) -> Act {
    let subject = Some(Subject::User(user.clone()));
    Act { room: Some(room.clone()), subject, ..Act::new(clock::now_ms(), by, Deed::Invite) }
}

fn given(room: &RoomId, user: &UserId, by: Person, role: RoomRole) -> Act {
    Act { role: Some(role), ..concerning(room, user, by) }
}

/// Somebody who would make somebody something.
struct Asks<'a> {
    authority: RoomRole,
    /// By their own role, and not because they moderate everywhere.
    owns: bool,
    user: &'a UserId,
    by: &'a UserId,
}

impl Asks<'_> {
    fn may_make(&self, kind: Kind, is: Option<RoomRole>, becomes: Option<RoomRole>) -> Result<()> {
        use RoomRole::{Moderator, Owner};
        let no = |why| Err(Error::Forbidden(why));
        if self.user == self.by {
            return match becomes {
                None if is == Some(Owner) => no("hand the room on before you leave it"),
                None => Ok(()),
                Some(_) => no("nobody gives themselves a role"),
            };
        }
        if kind == Kind::Direct {
            return no("a direct conversation is between two");
        }
        if !self.authority.moderates() {
            return no("only the owner and moderators say who is what");
        }
        if becomes == Some(Owner) && !self.owns {
            return no("only its owner hands a room on");
        }
        let is_high = is.max(becomes) >= Some(Moderator);
        if is == Some(Owner) || (is_high && self.authority != Owner) {
            return no("only the owner says who keeps order");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who may make whom what, in a private room.
    fn may(authority: RoomRole, is: Option<RoomRole>, becomes: Option<RoomRole>) -> bool {
        let [user, by]: [UserId; 2] = ["ada", "bob"].map(|id| id.parse().unwrap());
        let asks = Asks { authority, owns: authority == RoomRole::Owner, user: &user, by: &by };
        asks.may_make(Kind::Private, is, becomes).is_ok()
    }

    #[test]
    fn moderators_invite_and_owners_say_who_moderates() {
        use RoomRole::{Member, Moderator, Owner, ReadOnly};
        let all = [None, Some(ReadOnly), Some(Member), Some(Moderator), Some(Owner)];
        for (is, becomes) in all.iter().flat_map(|is| all.map(|becomes| (*is, becomes))) {
            let is_low = is.max(becomes) < Some(Moderator);

            assert!(!may(Member, is, becomes), "{is:?} {becomes:?}");
            assert_eq!(may(Moderator, is, becomes), is_low, "{is:?} {becomes:?}");
            assert_eq!(may(Owner, is, becomes), is != Some(Owner), "{is:?} {becomes:?}");
        }
    }

    #[test]
    fn anybody_leaves_but_the_owner_and_nobody_joins_a_conversation_of_two() {
        let [ada, bob]: [UserId; 2] = ["ada", "bob"].map(|id| id.parse().unwrap());
        let authority = RoomRole::Owner;
        let own = Asks { authority, owns: true, user: &ada, by: &ada };
        let other = Asks { authority, owns: true, user: &bob, by: &ada };

        assert!(own.may_make(Kind::Private, Some(RoomRole::Member), None).is_ok());
        assert!(own.may_make(Kind::Direct, Some(RoomRole::Member), None).is_ok());
        assert!(own.may_make(Kind::Private, Some(RoomRole::Owner), None).is_err());
        assert!(own.may_make(Kind::Private, None, Some(RoomRole::Member)).is_err());
        assert!(other.may_make(Kind::Direct, None, Some(RoomRole::Member)).is_err());
        assert!(other.may_make(Kind::Direct, Some(RoomRole::Member), None).is_err());
    }
}
