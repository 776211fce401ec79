//! Groups: policies that several users share.

use crate::document::{self, INLINE_CHARACTERS_MAX, Kind};
use crate::identities::key;
use crate::{Identities, IdentityError};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const GROUPS: &str = "iam-groups";
/// IAM's quotas of managed policies on a group, and of groups that a user is in.
const ATTACHED_MAX: usize = 10;
const GROUPS_OF_USER_MAX: usize = 10;

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The account it belongs to.
    pub account: String,
    /// Its name, unique in the account.
    pub name: String,
    /// `/` or `/a/b/`: a part of its ARN.
    pub path: String,
    /// `AGPA…`
    pub id: String,
    /// The names of its users.
    pub users: BTreeSet<String>,
    /// Policies that are part of it: name → JSON.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
    /// When it was made.
    pub created: Millis,
}

impl Group {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:group{}{}", self.account, self.path, self.name)
    }
}

fn no_group(name: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The group with name {name} cannot be found."))
}

fn no_group_policy(policy: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The group policy with name {policy} cannot be found."))
}

impl Identities {
    /// Makes a group; `path` is `/` when empty.
    pub fn create_group(&self, account: &str, name: &str, path: &str) -> Result<Group, IdentityError> {
        let group = Group {
            account: account.to_owned(),
            name: name.to_owned(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            id: self.id("AGPA"),
            users: BTreeSet::new(),
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            created: self.clock.now(),
        };
        let taken = || IdentityError::EntityAlreadyExists(format!("Group with name {name} already exists."));
        self.create(GROUPS, &key(account, name), &group, taken)?;
        Ok(group)
    }

    /// The group of a name.
    pub fn group(&self, account: &str, name: &str) -> Result<Group, IdentityError> {
        self.catalog.get(GROUPS, &key(account, name))?.ok_or_else(|| no_group(name))
    }

    /// All groups of an account, in order of name.
    pub fn groups(&self, account: &str) -> Result<Vec<Group>, IdentityError> {
        self.all(GROUPS, account)
    }

    /// The groups that a user is in.
    pub fn groups_of(&self, account: &str, user: &str) -> Result<Vec<Group>, IdentityError> {
        Ok(self.groups(account)?.into_iter().filter(|group| group.users.contains(user)).collect())
    }

    /// Removes a group that has neither users nor policies.
    pub fn delete_group(&self, account: &str, name: &str) -> Result<(), IdentityError> {
        let group = self.group(account, name)?;
        let conflict = |what: &str| {
            let message = format!("Cannot delete entity, must {what} first.");
            Err(IdentityError::DeleteConflict(message))
        };
        if !group.users.is_empty() {
            return conflict("remove users from group");
        }
        if !group.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !group.inline.is_empty() {
            return conflict("delete policies");
        }
        self.catalog.delete(GROUPS, &key(account, name))?;
        self.changed();
        Ok(())
    }

    fn change_group<R>(
        &self,
        account: &str,
        name: &str,
        change: impl FnOnce(&mut Group) -> Result<R, IdentityError>,
    ) -> Result<R, IdentityError> {
        self.change(GROUPS, &key(account, name), || no_group(name), change).map(|(_, result)| result)
    }

    /// Puts a user into a group; one that is in it stays.
    pub fn add_user_to_group(&self, account: &str, name: &str, user: &str) -> Result<(), IdentityError> {
        self.user(account, user)?;
        let others = self.groups_of(account, user)?;
        if others.len() >= GROUPS_OF_USER_MAX && !others.iter().any(|group| group.name == name) {
            let message = format!("Cannot exceed quota for GroupsPerUser: {GROUPS_OF_USER_MAX}");
            return Err(IdentityError::LimitExceeded(message));
        }
        self.change_group(account, name, |group| {
            group.users.insert(user.to_owned());
            Ok(())
        })
    }

    /// Takes a user out of a group.
    pub fn remove_user_from_group(&self, account: &str, name: &str, user: &str) -> Result<(), IdentityError> {
        self.user(account, user)?;
        let missing = || IdentityError::NoSuchEntity(format!("User {user} is not in group {name}."));
        self.change_group(account, name, |group| if group.users.remove(user) { Ok(()) } else { Err(missing()) })
    }

    /// Puts a policy into a group.
    pub fn put_group_policy(&self, account: &str, name: &str, policy: &str, json: String) -> Result<(), IdentityError> {
        document::check(&json, Kind::Inline)?;
        self.change_group(account, name, |group| {
            group.inline.insert(policy.to_owned(), json);
            document::check_all_inline(&group.inline, INLINE_OF_GROUP_MAX, "group", name)
        })
    }

    /// A policy that is part of a group.
    pub fn group_policy(&self, account: &str, name: &str, policy: &str) -> Result<String, IdentityError> {
        self.group(account, name)?.inline.remove(policy).ok_or_else(|| no_group_policy(policy))
    }

    /// Removes a policy that is part of a group.
    pub fn delete_group_policy(&self, account: &str, name: &str, policy: &str) -> Result<(), IdentityError> {
        let gone = |group: &mut Group| group.inline.remove(policy).map(drop).ok_or_else(|| no_group_policy(policy));
        self.change_group(account, name, gone)
    }

    /// Puts a managed policy on a group; one that is there stays.
    pub fn attach_group_policy(&self, account: &str, name: &str, arn: &str) -> Result<(), IdentityError> {
        self.check_attachable(account, arn)?;
        self.change_group(account, name, |group| {
            group.attached.insert(arn.to_owned());
            document::check_attached(group.attached.len(), ATTACHED_MAX, "PoliciesPerGroup")
        })
    }

    /// Takes a managed policy off a group.
    pub fn detach_group_policy(&self, account: &str, name: &str, arn: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::NoSuchEntity(format!("Policy {arn} was not found."));
        self.change_group(account, name, |group| if group.attached.remove(arn) { Ok(()) } else { Err(missing()) })
    }
}

/// A group's quota of inline policies is less than a role's.
const INLINE_OF_GROUP_MAX: usize = INLINE_CHARACTERS_MAX / 2;
