//! Roles: who may assume them, and the policies in and on them.

use crate::document::{self, INLINE_CHARACTERS_MAX, Kind};
use crate::identities::{check_tags, key, tag};
use crate::{Identities, IdentityError, Tags};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const ROLES: &str = "iam-roles";
/// IAM's quota of managed policies on a role.
const ATTACHED_MAX: usize = 10;
/// How long sessions of a role last at most, unless it says otherwise.
pub const SESSION_SECONDS_DEFAULT: u32 = 3600;

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// The account it belongs to.
    pub account: String,
    /// Its name, unique in the account.
    pub name: String,
    /// `/` or `/a/b/`: a part of its ARN.
    pub path: String,
    /// `AROA…`
    pub id: String,
    /// Who may assume it, as JSON.
    pub trust: String,
    /// For people.
    pub description: Option<String>,
    /// How long its sessions last at most.
    pub session_seconds_max: u32,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Policies that are part of it: name → JSON.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
    /// When it was made.
    pub created: Millis,
}

/// What a new role is to be.
#[derive(Debug, Clone, Default)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// Its path; `/` when empty.
    pub path: String,
    /// Who may assume it, as JSON.
    pub trust: String,
    /// For people.
    pub description: Option<String>,
    /// How long its sessions last at most; an hour unless set.
    pub session_seconds_max: Option<u32>,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Policies that are part of it: name → JSON.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
}

impl Role {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role{}{}", self.account, self.path, self.name)
    }

    /// True when it belongs to a service, which alone may change it.
    pub fn is_service_linked(&self) -> bool {
        self.path.starts_with("/aws-service-role/")
    }

    fn check_inline(&self) -> Result<(), IdentityError> {
        let all: usize = self.inline.values().map(|document| document::characters(document)).sum();
        if all > INLINE_CHARACTERS_MAX {
            let message =
                format!("Maximum policy size of {INLINE_CHARACTERS_MAX} bytes exceeded for role {}", self.name);
            return Err(IdentityError::LimitExceeded(message));
        }
        Ok(())
    }

    fn check_attached(&self) -> Result<(), IdentityError> {
        if self.attached.len() > ATTACHED_MAX {
            let message = format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED_MAX}");
            return Err(IdentityError::LimitExceeded(message));
        }
        Ok(())
    }
}

fn no_role(name: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The role with name {name} cannot be found."))
}

impl Identities {
    /// Makes a role.
    pub fn create_role(&self, account: &str, new: NewRole) -> Result<Role, IdentityError> {
        let role = self.new_role(account, new);
        self.check_role(&role)?;
        let taken = || IdentityError::EntityAlreadyExists(format!("Role with name {} already exists.", role.name));
        self.create(ROLES, &key(account, &role.name), &role, taken)?;
        Ok(role)
    }

    fn new_role(&self, account: &str, new: NewRole) -> Role {
        Role {
            account: account.to_owned(),
            name: new.name,
            path: if new.path.is_empty() { "/".to_owned() } else { new.path },
            id: self.id("AROA"),
            trust: new.trust,
            description: new.description,
            session_seconds_max: new.session_seconds_max.unwrap_or(SESSION_SECONDS_DEFAULT),
            boundary: new.boundary,
            tags: new.tags,
            inline: new.inline,
            attached: new.attached,
            created: self.clock.now(),
        }
    }

    /// Refuses what a role may not be.
    fn check_role(&self, role: &Role) -> Result<(), IdentityError> {
        document::check(&role.trust, Kind::Trust)?;
        check_tags(&role.tags)?;
        for document in role.inline.values() {
            document::check(document, Kind::Inline)?;
        }
        for arn in role.attached.iter().chain(&role.boundary) {
            self.check_attachable(&role.account, arn)?;
        }
        role.check_inline()?;
        role.check_attached()
    }

    /// The role of a name.
    pub fn role(&self, account: &str, name: &str) -> Result<Role, IdentityError> {
        self.catalog.get(ROLES, &key(account, name))?.ok_or_else(|| no_role(name))
    }

    /// All roles of an account, in order of name.
    pub fn roles(&self, account: &str) -> Result<Vec<Role>, IdentityError> {
        self.all(ROLES, account)
    }

    /// Changes a role as a whole: what it becomes is checked like a new one.
    pub fn update_role(
        &self,
        account: &str,
        name: &str,
        change: impl FnOnce(&mut Role) -> Result<(), IdentityError>,
    ) -> Result<Role, IdentityError> {
        let checked = |role: &mut Role| {
            if role.is_service_linked() {
                let message = format!(
                    "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
                );
                return Err(IdentityError::UnmodifiableEntity(message));
            }
            change(role)
        };
        let (role, ()) = self.change(ROLES, &key(account, name), || no_role(name), checked)?;
        Ok(role)
    }

    /// Makes a role what `new` says. Policies that neither `old` nor `new` names were put there by somebody else and stay.
    pub fn reshape_role(&self, account: &str, old: &NewRole, new: NewRole) -> Result<Role, IdentityError> {
        let name = new.name.clone();
        let mut wanted = self.new_role(account, new);
        self.check_role(&wanted)?;
        self.update_role(account, &name, |role| {
            let mut inline = std::mem::take(&mut role.inline);
            inline.retain(|name, _| !old.inline.contains_key(name));
            inline.append(&mut wanted.inline);
            let mut attached = std::mem::take(&mut role.attached);
            attached.retain(|arn| !old.attached.contains(arn));
            attached.append(&mut wanted.attached);
            let (id, created) = (role.id.clone(), role.created);
            *role = Role { id, created, inline, attached, ..wanted };
            role.check_inline()?;
            role.check_attached()
        })
    }

    /// Removes a role that has no policies left.
    pub fn delete_role(&self, account: &str, name: &str) -> Result<(), IdentityError> {
        let unused = |role: &Role| {
            let conflict =
                |what: &str| Err(IdentityError::DeleteConflict(format!("Cannot delete entity, must {what} first.")));
            match () {
                () if !role.attached.is_empty() => conflict("detach all policies"),
                () if !role.inline.is_empty() => conflict("delete policies"),
                () => Ok(()),
            }
        };
        self.remove(ROLES, &key(account, name), || no_role(name), unused)
    }

    /// Replaces who may assume a role.
    pub fn set_trust(&self, account: &str, name: &str, trust: String) -> Result<(), IdentityError> {
        document::check(&trust, Kind::Trust)?;
        self.update_role(account, name, |role| {
            role.trust = trust;
            Ok(())
        })?;
        Ok(())
    }

    /// Puts tags on a role.
    pub fn tag_role(&self, account: &str, name: &str, tags: Tags) -> Result<(), IdentityError> {
        self.update_role(account, name, |role| tag(&mut role.tags, tags)).map(drop)
    }

    /// Takes tags off a role.
    pub fn untag_role(&self, account: &str, name: &str, keys: &[&str]) -> Result<(), IdentityError> {
        let change = |role: &mut Role| {
            role.tags.retain(|key, _| !keys.contains(&key.as_str()));
            Ok(())
        };
        self.update_role(account, name, change).map(drop)
    }

    /// Makes or replaces a policy that is part of a role.
    pub fn put_role_policy(
        &self,
        account: &str,
        role: &str,
        policy: &str,
        document: String,
    ) -> Result<(), IdentityError> {
        document::check(&document, Kind::Inline)?;
        let change = |role: &mut Role| {
            role.inline.insert(policy.to_owned(), document);
            role.check_inline()
        };
        self.update_role(account, role, change).map(drop)
    }

    /// A policy that is part of a role.
    pub fn role_policy(&self, account: &str, role: &str, policy: &str) -> Result<String, IdentityError> {
        self.role(account, role)?.inline.remove(policy).ok_or_else(|| no_role_policy(policy))
    }

    /// Removes a policy that is part of a role.
    pub fn delete_role_policy(&self, account: &str, role: &str, policy: &str) -> Result<(), IdentityError> {
        let change = |role: &mut Role| role.inline.remove(policy).map(drop).ok_or_else(|| no_role_policy(policy));
        self.update_role(account, role, change).map(drop)
    }

    /// Puts a managed policy on a role; one that is there stays.
    pub fn attach_role_policy(&self, account: &str, role: &str, arn: &str) -> Result<(), IdentityError> {
        self.check_attachable(account, arn)?;
        let change = |role: &mut Role| {
            role.attached.insert(arn.to_owned());
            role.check_attached()
        };
        self.update_role(account, role, change).map(drop)
    }

    /// Takes a managed policy off a role.
    pub fn detach_role_policy(&self, account: &str, role: &str, arn: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::NoSuchEntity(format!("Policy {arn} was not found."));
        let change = |role: &mut Role| if role.attached.remove(arn) { Ok(()) } else { Err(missing()) };
        self.update_role(account, role, change).map(drop)
    }

    /// Makes the role through which `service` (`lambda.amazonaws.com`) acts in an account.
    pub fn create_service_linked_role(
        &self,
        account: &str,
        service: &str,
        suffix: Option<&str>,
        description: Option<String>,
    ) -> Result<Role, IdentityError> {
        let Some(short) = service.strip_suffix(".amazonaws.com").filter(|short| !short.is_empty()) else {
            let message = format!("Service {service} is not a service principal: it has the form NAME.amazonaws.com");
            return Err(IdentityError::InvalidInput(message));
        };
        // `AWSServiceRoleForLambda_suffix`: AWS writes each service's name in its own way, this is the plain one.
        let mut letters = short.chars();
        let named: String =
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
        ]});
        let role = NewRole {
            name: format!("AWSServiceRoleFor{}{suffix}", named.replace(['.', '-'], "")),
            path: format!("/aws-service-role/{service}/"),
            trust: trust.to_string(),
            description,
            ..NewRole::default()
        };
        let taken =
            format!("Service role name {} has been taken in this account, please try a different suffix.", role.name);
        match self.create_role(account, role) {
            Err(IdentityError::EntityAlreadyExists(_)) => Err(IdentityError::InvalidInput(taken)),
            other => other,
        }
    }
}

fn no_role_policy(policy: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("The role policy with name {policy} cannot be found."))
}
