//! Users and their access keys.

use crate::identities::{check_tags, key};
use crate::session::{PERMANENT, key_id};
use crate::{Identities, IdentityError, Secret, Tags};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const USERS: &str = "iam-users";
/// IAM's quota.
const KEYS_MAX: usize = 2;

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The account it belongs to.
    pub account: String,
    /// Its name, unique in the account.
    pub name: String,
    /// `/` or `/a/b/`: a part of its ARN.
    pub path: String,
    /// `AIDA…`
    pub id: String,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Its access keys, oldest first.
    pub keys: Vec<AccessKey>,
    /// Policies that are part of it: name → JSON.
    #[serde(default)]
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub attached: BTreeSet<String>,
    /// When it was made.
    pub created: Millis,
}

/// A user's access key. Its secret is not kept: it follows from the id and the server's vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// When it was made.
    pub created: Millis,
    /// False for a key that is refused until it is made active again.
    #[serde(default = "active")]
    pub active: bool,
}

fn active() -> bool {
    true
}

/// A new access key, with the secret that is told this once.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAccessKey {
    /// The key.
    pub key: AccessKey,
    /// What signatures are made with.
    pub secret: Secret,
}

/// What a new user is to be.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its path; `/` when empty.
    pub path: String,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl User {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user{}{}", self.account, self.path, self.name)
    }
}

fn no_user(name: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The user with name {name} cannot be found."))
}

impl Identities {
    /// Makes a user.
    pub fn create_user(&self, account: &str, new: NewUser) -> Result<User, IdentityError> {
        check_tags(&new.tags)?;
        if let Some(arn) = &new.boundary {
            self.check_attachable(account, arn)?;
        }
        let user = User {
            account: account.to_owned(),
            name: new.name,
            path: if new.path.is_empty() { "/".to_owned() } else { new.path },
            id: self.id("AIDA"),
            boundary: new.boundary,
            tags: new.tags,
            keys: Vec::new(),
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            created: self.clock.now(),
        };
        let taken = || IdentityError::EntityAlreadyExists(format!("User with name {} already exists.", user.name));
        self.create(USERS, &key(account, &user.name), &user, taken)?;
        Ok(user)
    }

    /// The user of a name.
    pub fn user(&self, account: &str, name: &str) -> Result<User, IdentityError> {
        self.catalog.get(USERS, &key(account, name))?.ok_or_else(|| no_user(name))
    }

    /// All users of an account, in order of name.
    pub fn users(&self, account: &str) -> Result<Vec<User>, IdentityError> {
        self.all(USERS, account)
    }

    /// The user that an access key belongs to.
    pub fn user_of_key(&self, account: &str, access_key_id: &str) -> Result<Option<User>, IdentityError> {
        let has_key = |user: &User| user.keys.iter().any(|key| key.id == access_key_id);
        Ok(self.users(account)?.into_iter().find(has_key))
    }

    /// Removes a user on which nothing hangs any more.
    pub fn delete_user(&self, account: &str, name: &str) -> Result<(), IdentityError> {
        let in_group = !self.groups_of(account, name)?.is_empty();
        let unused = |user: &User| {
            let hanging = [
                (!user.attached.is_empty(), "detach all policies"),
                (!user.inline.is_empty(), "delete policies"),
                (!user.keys.is_empty(), "delete access keys"),
                (in_group, "remove users from group"),
            ];
            match hanging.into_iter().find(|(hangs, _)| *hangs) {
                Some((_, what)) => {
                    let message = format!("Cannot delete entity, must {what} first.");
                    Err(IdentityError::DeleteConflict(message))
                }
                None => Ok(()),
            }
        };
        self.remove(USERS, &key(account, name), || no_user(name), unused)
    }

    /// Changes a user.
    pub(crate) fn change_user<R>(
        &self,
        account: &str,
        name: &str,
        change: impl FnOnce(&mut User) -> Result<R, IdentityError>,
    ) -> Result<R, IdentityError> {
        self.change(USERS, &key(account, name), || no_user(name), change).map(|(_, result)| result)
    }

    /// Makes an access key: its id selects the account.
    pub fn create_access_key(&self, account: &str, name: &str) -> Result<NewAccessKey, IdentityError> {
        let new = AccessKey { id: key_id(self, PERMANENT, account), created: self.clock.now(), active: true };
        let secret = self.secret_of(&new.id)?;
        let change = |user: &mut User| {
            if user.keys.len() >= KEYS_MAX {
                let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}");
                return Err(IdentityError::LimitExceeded(message));
            }
            user.keys.push(new.clone());
            Ok(new)
        };
        let (_, key) = self.change(USERS, &key(account, name), || no_user(name), change)?;
        Ok(NewAccessKey { key, secret })
    }

    /// Makes a key active or inactive: requests signed with an inactive key are refused.
    pub fn set_access_key_active(
        &self,
        account: &str,
        name: &str,
        id: &str,
        active: bool,
    ) -> Result<(), IdentityError> {
        let change = |user: &mut User| {
            let found = user.keys.iter_mut().find(|key| key.id == id).ok_or_else(|| no_access_key(id))?;
            found.active = active;
            Ok(())
        };
        self.change(USERS, &key(account, name), || no_user(name), change).map(drop)
    }

    /// Removes an access key.
    pub fn delete_access_key(&self, account: &str, name: &str, id: &str) -> Result<(), IdentityError> {
        let change = |user: &mut User| {
            let at = user.keys.iter().position(|key| key.id == id).ok_or_else(|| no_access_key(id))?;
            user.keys.remove(at);
            Ok(())
        };
        self.change(USERS, &key(account, name), || no_user(name), change)?;
        self.forget_use(id)
    }
}

fn no_access_key(id: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The Access Key with id {id} cannot be found."))
}
