//! Managed policies: documents of their own, in up to five versions.

use crate::document::{self, Kind};
use crate::identities::{check_tags, key, tag};
use crate::{AwsPolicy, Identities, IdentityError, Tags};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const POLICIES: &str = "iam-policies";
/// IAM's quota of versions of a policy.
pub const VERSIONS_MAX: usize = 5;

/// A policy of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The account it belongs to.
    pub account: String,
    /// Its name, unique in the account.
    pub name: String,
    /// `/` or `/a/b/`: a part of its ARN.
    pub path: String,
    /// `ANPA…`
    pub id: String,
    /// For people; never changes.
    pub description: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Its versions by number; the number of a version that was removed is not used again.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version that holds.
    pub default_version: u32,
    /// The number of the newest version there ever was.
    pub newest: u32,
    /// When it was made.
    pub created: Millis,
    /// When its versions changed last.
    pub updated: Millis,
}

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The JSON.
    pub document: String,
    /// When it was made.
    pub created: Millis,
}

/// What a new policy is to be.
#[derive(Debug, Clone, Default)]
pub struct NewPolicy {
    /// Its name.
    pub name: String,
    /// Its path; `/` when empty.
    pub path: String,
    /// The JSON.
    pub document: String,
    /// For people.
    pub description: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Policy {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:policy{}{}", self.account, self.path, self.name)
    }
}

fn no_policy(arn: &str) -> IdentityError {
    IdentityError::NoSuchEntity(format!("Policy {arn} was not found."))
}

fn no_version(arn: &str, version: &str) -> IdentityError {
    let message = format!("Policy {arn} version {version} does not exist or is not attachable.");
    IdentityError::NoSuchEntity(message)
}

/// The name in a policy's ARN, when it is one of `account`.
fn name_of<'a>(account: &str, arn: &'a str) -> Option<&'a str> {
    let rest = arn.strip_prefix("arn:aws:iam::")?.strip_prefix(account)?.strip_prefix(":policy/")?;
    Some(rest.rsplit_once('/').map_or(rest, |(_, name)| name))
}

/// `v3` → 3.
fn number(arn: &str, version: &str) -> Result<u32, IdentityError> {
    version.strip_prefix('v').and_then(|number| number.parse().ok()).ok_or_else(|| no_version(arn, version))
}

impl Identities {
    /// Makes a policy; its document becomes version 1.
    pub fn create_policy(&self, account: &str, new: NewPolicy) -> Result<Policy, IdentityError> {
        document::check(&new.document, Kind::Managed)?;
        check_tags(&new.tags)?;
        let now = self.clock.now();
        let policy = Policy {
            account: account.to_owned(),
            name: new.name,
            path: if new.path.is_empty() { "/".to_owned() } else { new.path },
            id: self.id("ANPA"),
            description: new.description,
            tags: new.tags,
            versions: BTreeMap::from([(1, PolicyVersion { document: new.document, created: now })]),
            default_version: 1,
            newest: 1,
            created: now,
            updated: now,
        };
        let taken = || {
            let message = format!("A policy called {} already exists. Duplicate names are not allowed.", policy.name);
            IdentityError::EntityAlreadyExists(message)
        };
        self.create(POLICIES, &key(account, &policy.name), &policy, taken)?;
        Ok(policy)
    }

    /// The policy of an ARN.
    pub fn policy(&self, account: &str, arn: &str) -> Result<Policy, IdentityError> {
        let name = name_of(account, arn).ok_or_else(|| no_policy(arn))?;
        let found: Option<Policy> = self.catalog.get(POLICIES, &key(account, name))?;
        found.filter(|policy| policy.arn() == arn).ok_or_else(|| no_policy(arn))
    }

    /// The document of a managed policy that holds; none of AWS's own that is known by its name only, or of one that is gone.
    pub(crate) fn managed(&self, account: &str, arn: &str) -> Result<Option<String>, IdentityError> {
        if let Some(known) = AwsPolicy::find(arn) {
            return Ok(Some(known.document.to_owned()));
        }
        match self.policy(account, arn) {
            Ok(mut policy) => Ok(policy.versions.remove(&policy.default_version).map(|version| version.document)),
            Err(IdentityError::NoSuchEntity(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The document of a managed policy that holds.
    pub fn managed_document(&self, account: &str, arn: &str) -> Result<String, IdentityError> {
        self.managed(account, arn)?.ok_or_else(|| no_policy(arn))
    }

    /// All policies of an account, in order of name.
    pub fn policies(&self, account: &str) -> Result<Vec<Policy>, IdentityError> {
        self.all(POLICIES, account)
    }

    /// Refuses an ARN of no policy. AWS's own policies are more than those that are known here by their documents, so any
    /// of their ARNs may be attached.
    pub(crate) fn check_attachable(&self, account: &str, arn: &str) -> Result<(), IdentityError> {
        if AwsPolicy::is_arn(arn) || self.policy(account, arn).is_ok() {
            return Ok(());
        }
        Err(IdentityError::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable.")))
    }

    /// How many roles, users and groups each policy is on, by its ARN: attached, and as a boundary.
    pub fn attachments(&self, account: &str) -> Result<BTreeMap<String, (usize, usize)>, IdentityError> {
        let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for role in self.roles(account)? {
            for arn in role.attached {
                counts.entry(arn).or_default().0 += 1;
            }
            if let Some(arn) = role.boundary {
                counts.entry(arn).or_default().1 += 1;
            }
        }
        for user in self.users(account)? {
            for arn in user.attached {
                counts.entry(arn).or_default().0 += 1;
            }
            if let Some(arn) = user.boundary {
                counts.entry(arn).or_default().1 += 1;
            }
        }
        for arn in self.groups(account)?.into_iter().flat_map(|group| group.attached) {
            counts.entry(arn).or_default().0 += 1;
        }
        Ok(counts)
    }

    fn change_policy<R>(
        &self,
        account: &str,
        arn: &str,
        change: impl FnOnce(&mut Policy) -> Result<R, IdentityError>,
    ) -> Result<(Policy, R), IdentityError> {
        if AwsPolicy::is_arn(arn) {
            let message = format!("Policy {arn} belongs to AWS and cannot be changed.");
            return Err(IdentityError::UnmodifiableEntity(message));
        }
        let name = name_of(account, arn).ok_or_else(|| no_policy(arn))?;
        let checked = |policy: &mut Policy| if policy.arn() == arn { change(policy) } else { Err(no_policy(arn)) };
        self.change(POLICIES, &key(account, name), || no_policy(arn), checked)
    }

    /// Adds a version, and makes it hold when asked to; its number.
    pub fn create_policy_version(
        &self,
        account: &str,
        arn: &str,
        document: String,
        set_as_default: bool,
    ) -> Result<(Policy, u32), IdentityError> {
        document::check(&document, Kind::Managed)?;
        let now = self.clock.now();
        self.change_policy(account, arn, |policy| {
            if policy.versions.len() >= VERSIONS_MAX {
                return Err(IdentityError::LimitExceeded(format!(
                    "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you must \
                     delete an existing version."
                )));
            }
            policy.newest += 1;
            policy.updated = now;
            policy.versions.insert(policy.newest, PolicyVersion { document, created: now });
            if set_as_default {
                policy.default_version = policy.newest;
            }
            Ok(policy.newest)
        })
    }

    /// Makes a version hold.
    pub fn set_default_policy_version(&self, account: &str, arn: &str, version: &str) -> Result<(), IdentityError> {
        let (number, now) = (number(arn, version)?, self.clock.now());
        let change = |policy: &mut Policy| {
            if !policy.versions.contains_key(&number) {
                return Err(no_version(arn, version));
            }
            (policy.default_version, policy.updated) = (number, now);
            Ok(())
        };
        self.change_policy(account, arn, change).map(drop)
    }

    /// Removes a version that does not hold.
    pub fn delete_policy_version(&self, account: &str, arn: &str, version: &str) -> Result<(), IdentityError> {
        let (number, now) = (number(arn, version)?, self.clock.now());
        let change = |policy: &mut Policy| {
            if policy.default_version == number {
                let message = "Cannot delete the default version of a policy.".to_owned();
                return Err(IdentityError::DeleteConflict(message));
            }
            policy.updated = now;
            policy.versions.remove(&number).map(drop).ok_or_else(|| no_version(arn, version))
        };
        self.change_policy(account, arn, change).map(drop)
    }

    /// One version of a policy and its number.
    pub fn policy_version(&self, account: &str, arn: &str, version: &str) -> Result<(Policy, u32), IdentityError> {
        let (policy, number) = (self.policy(account, arn)?, number(arn, version)?);
        if policy.versions.contains_key(&number) { Ok((policy, number)) } else { Err(no_version(arn, version)) }
    }

    /// Removes a policy that is on nothing and has one version.
    pub fn delete_policy(&self, account: &str, arn: &str) -> Result<(), IdentityError> {
        if AwsPolicy::is_arn(arn) {
            let message = format!("Policy {arn} belongs to AWS and cannot be deleted.");
            return Err(IdentityError::UnmodifiableEntity(message));
        }
        let policy = self.policy(account, arn)?;
        let conflict = |message: &str| Err(IdentityError::DeleteConflict(message.to_owned()));
        if self.attachments(account)?.contains_key(arn) {
            return conflict("Cannot delete a policy attached to entities.");
        }
        if policy.versions.len() > 1 {
            return conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                 versions. The default version is deleted with the policy.",
            );
        }
        self.catalog.delete(POLICIES, &key(account, &policy.name))?;
        self.changed();
        Ok(())
    }

    /// Puts tags on a policy.
    pub fn tag_policy(&self, account: &str, arn: &str, tags: Tags) -> Result<(), IdentityError> {
        self.change_policy(account, arn, |policy| tag(&mut policy.tags, tags)).map(drop)
    }

    /// Takes tags off a policy.
    pub fn untag_policy(&self, account: &str, arn: &str, keys: &[&str]) -> Result<(), IdentityError> {
        let change = |policy: &mut Policy| {
            policy.tags.retain(|key, _| !keys.contains(&key.as_str()));
            Ok(())
        };
        self.change_policy(account, arn, change).map(drop)
    }
}
