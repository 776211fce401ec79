//! Users and their access keys.

use crate::identities::{check_tags, key};
use crate::session::{PERMANENT, key_id, secret};
use crate::{Identities, IdentityError, Tags};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};

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
    /// When it was made.
    pub created: Millis,
}

/// A user's access key. The secret is kept because a signature can only be verified with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`
    pub id: String,
    /// What signatures are made with.
    pub secret: String,
    /// When it was made.
    pub created: Millis,
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

    /// Removes a user that has no access keys left.
    pub fn delete_user(&self, account: &str, name: &str) -> Result<(), IdentityError> {
        let key = key(account, name);
        self.catalog.update(|transaction| {
            let user: User = transaction.get(USERS, &key)?.ok_or_else(|| no_user(name))?;
            if !user.keys.is_empty() {
                let message = "Cannot delete entity, must delete access keys first.".to_owned();
                return Err(IdentityError::DeleteConflict(message));
            }
            transaction.delete(USERS, &key)?;
            Ok(())
        })
    }

    /// Makes an access key: its id selects the account.
    pub fn create_access_key(&self, account: &str, name: &str) -> Result<AccessKey, IdentityError> {
        let new = AccessKey { id: key_id(self, PERMANENT, account), secret: secret(self), created: self.clock.now() };
        let change = |user: &mut User| {
            if user.keys.len() >= KEYS_MAX {
                let message = format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}");
                return Err(IdentityError::LimitExceeded(message));
            }
            user.keys.push(new.clone());
            Ok(new)
        };
        self.change(USERS, &key(account, name), || no_user(name), change).map(|(_, new)| new)
    }

    /// Removes an access key.
    pub fn delete_access_key(&self, account: &str, name: &str, id: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::NoSuchEntity(format!("The Access Key with id {id} cannot be found."));
        let change = |user: &mut User| {
            let at = user.keys.iter().position(|key| key.id == id).ok_or_else(missing)?;
            user.keys.remove(at);
            Ok(())
        };
        self.change(USERS, &key(account, name), || no_user(name), change).map(drop)
    }
}
