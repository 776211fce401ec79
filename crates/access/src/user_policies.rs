//! Policies in a user (inline) and on it (attached), and what bounds users and roles.

use crate::document::{self, Kind};
use crate::user::User;
use crate::{Identities, IdentityError, Role};

/// IAM's quotas of policies in and on a user.
const INLINE_OF_USER_MAX: usize = 2048;
const ATTACHED_MAX: usize = 10;

fn no_user_policy(policy: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The user policy with name {policy} cannot be found."))
}

impl Identities {
    /// Puts a policy into a user.
    pub fn put_user_policy(&self, account: &str, user: &str, policy: &str, json: String) -> Result<(), IdentityError> {
        document::check(&json, Kind::Inline)?;
        self.change_user(account, user, |found| {
            found.inline.insert(policy.to_owned(), json);
            document::check_all_inline(&found.inline, INLINE_OF_USER_MAX, "user", user)
        })
    }

    /// A policy that is part of a user.
    pub fn user_policy(&self, account: &str, user: &str, policy: &str) -> Result<String, IdentityError> {
        self.user(account, user)?.inline.remove(policy).ok_or_else(|| no_user_policy(policy))
    }

    /// Removes a policy that is part of a user.
    pub fn delete_user_policy(&self, account: &str, user: &str, policy: &str) -> Result<(), IdentityError> {
        let gone = |found: &mut User| found.inline.remove(policy).map(drop).ok_or_else(|| no_user_policy(policy));
        self.change_user(account, user, gone)
    }

    /// Puts a managed policy on a user; one that is there stays.
    pub fn attach_user_policy(&self, account: &str, user: &str, arn: &str) -> Result<(), IdentityError> {
        self.check_attachable(account, arn)?;
        self.change_user(account, user, |found| {
            found.attached.insert(arn.to_owned());
            document::check_attached(found.attached.len(), ATTACHED_MAX, "PoliciesPerUser")
        })
    }

    /// Takes a managed policy off a user.
    pub fn detach_user_policy(&self, account: &str, user: &str, arn: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::NoSuchEntity(format!("Policy {arn} was not found."));
        self.change_user(account, user, |found| if found.attached.remove(arn) { Ok(()) } else { Err(missing()) })
    }

    /// Bounds a user by a managed policy, or no longer.
    pub fn set_user_boundary(&self, account: &str, user: &str, arn: Option<&str>) -> Result<(), IdentityError> {
        if let Some(arn) = arn {
            self.check_attachable(account, arn)?;
        }
        self.change_user(account, user, |found| {
            found.boundary = arn.map(str::to_owned);
            Ok(())
        })
    }

    /// Bounds a role by a managed policy, or no longer.
    pub fn set_role_boundary(&self, account: &str, role: &str, arn: Option<&str>) -> Result<(), IdentityError> {
        if let Some(arn) = arn {
            self.check_attachable(account, arn)?;
        }
        let bound = |found: &mut Role| {
            found.boundary = arn.map(str::to_owned);
            Ok(())
        };
        self.update_role(account, role, bound).map(drop)
    }
}
