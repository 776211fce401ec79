//! The store: one handle for all that an account has of IAM, and what roles, policies and users share.

use crate::IdentityError;
use crate::keys::Keys;
use millrace_base::{Clock, Dice};
use millrace_catalog::{Catalog, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys and values that people put on things.
pub type Tags = BTreeMap<String, String>;

/// IAM's quota of tags on one thing.
const TAGS_MAX: usize = 50;
/// What ids are written in: AWS's are base32.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// All identities of all accounts. Cheap to clone. Calls wait for the disk.
///
/// A process has one, and clones of it: what changes through one is seen at once through the others.
#[derive(Clone)]
pub struct Identities {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) keys: Arc<Keys>,
}

impl Identities {
    /// The identities in `catalog`.
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { catalog, clock, dice, keys: Arc::default() }
    }

    /// Grows with every change of a role, policy or user, so that what was worked out from them is known to be old.
    pub fn generation(&self) -> u64 {
        self.keys.generation()
    }

    /// What is known of keys, and what was worked out from policies, may no longer hold.
    pub(crate) fn changed(&self) {
        self.keys.forget();
    }

    /// Removes a thing and what is known of it; `check` may refuse.
    pub(crate) fn remove<T: DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
        missing: impl FnOnce() -> IdentityError,
        check: impl FnOnce(&T) -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        let removed = self.catalog.update(|transaction| {
            check(&transaction.get(table, key)?.ok_or_else(missing)?)?;
            transaction.delete(table, key)?;
            Ok(())
        });
        self.changed();
        removed
    }

    /// `len` random letters, as AWS's ids end with.
    pub(crate) fn letters(&self, len: usize) -> String {
        let mut text = String::with_capacity(len);
        while text.len() < len {
            // Twelve letters of five bits in each roll.
            let roll = self.dice.roll();
            let letters = (0..12).map(|at| char::from(LETTERS[(roll >> (at * 5) & 31) as usize]));
            text.extend(letters.take(len - text.len()));
        }
        text
    }

    /// An id of AWS's form: a prefix that tells the kind (`AROA` a role), then 17 letters.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.letters(17))
    }

    /// Changes one stored thing in a transaction; `missing` is the error when it is not there.
    pub(crate) fn change<T, R>(
        &self,
        table: &str,
        key: &str,
        missing: impl FnOnce() -> IdentityError,
        change: impl FnOnce(&mut T) -> Result<R, IdentityError>,
    ) -> Result<(T, R), IdentityError>
    where
        T: DeserializeOwned + Serialize,
    {
        let changed = self.catalog.update(|transaction| {
            let mut value: T = transaction.get(table, key)?.ok_or_else(missing)?;
            let result = change(&mut value)?;
            transaction.put(table, key, &value)?;
            Ok((value, result))
        });
        self.changed();
        changed
    }

    /// Keeps a new thing; `taken` is the error when there is one of the name.
    pub(crate) fn create<T: DeserializeOwned + Serialize>(
        &self,
        table: &str,
        key: &str,
        value: &T,
        taken: impl FnOnce() -> IdentityError,
    ) -> Result<(), IdentityError> {
        let created = self.catalog.update(|transaction: &mut Transaction<'_>| {
            if transaction.get::<serde::de::IgnoredAny>(table, key)?.is_some() {
                return Err(taken());
            }
            Ok(transaction.put(table, key, value)?)
        });
        self.changed();
        created
    }

    /// Everything of one table that an account has, in order of name.
    pub(crate) fn all<T: DeserializeOwned>(&self, table: &str, account: &str) -> Result<Vec<T>, IdentityError> {
        let found = self.catalog.list(table, &format!("{account}/"))?;
        Ok(found.into_iter().map(|(_, value)| value).collect())
    }
}

pub(crate) fn key(account: &str, name: &str) -> String {
    format!("{account}/{name}")
}

/// Puts `more` on a thing, in place of what has the same keys.
pub(crate) fn tag(tags: &mut Tags, more: Tags) -> Result<(), IdentityError> {
    tags.extend(more);
    check_tags(tags)
}

/// Refuses more tags than IAM takes.
pub(crate) fn check_tags(tags: &Tags) -> Result<(), IdentityError> {
    if tags.len() > TAGS_MAX {
        let message = "The number of tags has reached the maximum limit.".to_owned();
        return Err(IdentityError::LimitExceeded(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewPolicy, NewRole, NewUser, SessionRequest};
    use millrace_base::Scope;
    use millrace_testkit::{SimClock, SimDice, SimDisk};
    use std::path::Path;

    const TRUST: &str =
        r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    const OWN: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    const ACCOUNT: &str = "111111111111";

    fn identities() -> (Identities, SimClock) {
        let clock = SimClock::at(1_000_000);
        let catalog = Catalog::open(&SimDisk::new(1), Path::new("catalog.redb")).unwrap();
        (Identities::new(catalog, Arc::new(clock.clone()), Arc::new(SimDice::new(7))), clock)
    }

    fn role(name: &str) -> NewRole {
        NewRole { name: name.to_owned(), trust: TRUST.to_owned(), ..NewRole::default() }
    }

    fn said<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_role_goes_when_nothing_hangs_on_it() {
        let (identities, _) = identities();
        let made = identities.create_role(ACCOUNT, role("loader")).unwrap();
        assert_eq!(made.arn(), "arn:aws:iam::111111111111:role/loader");
        assert!(made.id.starts_with("AROA") && made.id.len() == 21);
        assert_eq!(said(identities.create_role(ACCOUNT, role("loader"))), "Role with name loader already exists.");
        assert_eq!(said(identities.role("222222222222", "loader")), "The role with name loader cannot be found.");

        let kinesis = "arn:aws:iam::aws:policy/AmazonKinesisFullAccess";
        identities.attach_role_policy(ACCOUNT, "loader", kinesis).unwrap();
        identities.put_role_policy(ACCOUNT, "loader", "own", OWN.to_owned()).unwrap();
        assert_eq!(
            said(identities.delete_role(ACCOUNT, "loader")),
            "Cannot delete entity, must detach all policies first."
        );
        identities.detach_role_policy(ACCOUNT, "loader", kinesis).unwrap();
        assert_eq!(
            said(identities.delete_role(ACCOUNT, "loader")),
            "Cannot delete entity, must delete policies first."
        );
        identities.delete_role_policy(ACCOUNT, "loader", "own").unwrap();
        identities.delete_role(ACCOUNT, "loader").unwrap();
        assert!(identities.roles(ACCOUNT).unwrap().is_empty());
    }

    #[test]
    fn quotas_hold() {
        let (identities, _) = identities();
        identities.create_role(ACCOUNT, role("r")).unwrap();
        for place in 0..10 {
            identities.attach_role_policy(ACCOUNT, "r", &format!("arn:aws:iam::aws:policy/p{place}")).unwrap();
        }
        let eleventh = identities.attach_role_policy(ACCOUNT, "r", "arn:aws:iam::aws:policy/p10");
        assert_eq!(said(eleventh), "Cannot exceed quota for PoliciesPerRole: 10");
        let long = OWN.replace("s3:*", &format!("s3:{}", "x".repeat(10_240)));
        let refused = said(identities.put_role_policy(ACCOUNT, "r", "long", long));
        assert_eq!(refused, "Maximum policy size of 10240 bytes exceeded for role r");
        assert!(identities.role(ACCOUNT, "r").unwrap().inline.is_empty());
        let absent = identities.attach_role_policy(ACCOUNT, "r", "arn:aws:iam::111111111111:policy/none");
        assert_eq!(said(absent), "Policy arn:aws:iam::111111111111:policy/none does not exist or is not attachable.");
    }

    #[test]
    fn a_policy_has_five_versions_and_one_holds() {
        let (identities, clock) = identities();
        let new = NewPolicy {
            name: "p".to_owned(),
            path: "/a/".to_owned(),
            document: OWN.to_owned(),
            ..NewPolicy::default()
        };
        let arn = identities.create_policy(ACCOUNT, new).unwrap().arn();
        assert_eq!(arn, "arn:aws:iam::111111111111:policy/a/p");
        clock.advance(5000);
        for number in 2..=5 {
            let (policy, made) = identities.create_policy_version(ACCOUNT, &arn, OWN.to_owned(), number == 3).unwrap();
            assert_eq!((made, policy.default_version), (number, if number < 3 { 1 } else { 3 }));
        }
        assert!(
            said(identities.create_policy_version(ACCOUNT, &arn, OWN.to_owned(), false)).contains("up to 5 versions")
        );
        assert_eq!(
            said(identities.delete_policy_version(ACCOUNT, &arn, "v3")),
            "Cannot delete the default version of a policy."
        );
        identities.delete_policy_version(ACCOUNT, &arn, "v5").unwrap();
        // Numbers are not used twice.
        assert_eq!(identities.create_policy_version(ACCOUNT, &arn, OWN.to_owned(), false).unwrap().1, 6);
        identities.set_default_policy_version(ACCOUNT, &arn, "v1").unwrap();
        assert!(said(identities.delete_policy(ACCOUNT, &arn)).starts_with("This policy has more than one version."));
        // The path is a part of the ARN.
        assert!(identities.policy(ACCOUNT, "arn:aws:iam::111111111111:policy/p").is_err());
    }

    #[test]
    fn a_session_acts_in_its_roles_account() {
        let (identities, clock) = identities();
        let made = identities.create_role(ACCOUNT, role("loader")).unwrap();
        let root = identities.identify("222222222222", "222222222222").unwrap();
        assert_eq!(root.arn, "arn:aws:iam::222222222222:root");
        let role_arn = made.arn();
        let asked = SessionRequest { role_arn: &role_arn, name: "me", ..SessionRequest::default() };
        let session = identities.assume_role(&root, asked.clone()).unwrap();
        assert_eq!(&*Scope::of_caller(&session.access_key_id, "eu-west-1").account, ACCOUNT);
        assert_eq!(session.expiration, 1_000_000 + 3_600_000);
        let identity = identities.identify(ACCOUNT, &session.access_key_id).unwrap();
        assert_eq!(identity.arn, "arn:aws:sts::111111111111:assumed-role/loader/me");
        assert_eq!(identity.user_id, format!("{}:me", made.id));

        let absent = SessionRequest { role_arn: "arn:aws:iam::111111111111:role/none", ..asked.clone() };
        let refused = said(identities.assume_role(&root, absent));
        assert!(refused.ends_with(
            "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/none"
        ));
        assert!(
            said(identities.assume_role(&root, SessionRequest { seconds: Some(3601), ..asked.clone() }))
                .contains("MaxSessionDuration")
        );
        // The next session forgets those that ended.
        clock.advance(3_600_000);
        identities.assume_role(&root, asked).unwrap();
        assert_eq!(identities.identify(ACCOUNT, &session.access_key_id).unwrap().arn, "arn:aws:iam::111111111111:root");
    }

    #[test]
    fn a_users_key_stands_for_the_user() {
        let (identities, _) = identities();
        let user = identities.create_user(ACCOUNT, NewUser { name: "ann".to_owned(), ..NewUser::default() }).unwrap();
        let first = identities.create_access_key(ACCOUNT, "ann").unwrap().key;
        let second = identities.create_access_key(ACCOUNT, "ann").unwrap().key;
        assert_ne!(first.id, second.id);
        assert_eq!(said(identities.create_access_key(ACCOUNT, "ann")), "Cannot exceed quota for AccessKeysPerUser: 2");
        assert_eq!(Scope::account_of(&first.id), Some(ACCOUNT));
        assert_eq!(identities.identify(ACCOUNT, &first.id).unwrap().arn, user.arn());
        assert_eq!(
            said(identities.delete_user(ACCOUNT, "ann")),
            "Cannot delete entity, must delete access keys first."
        );
        for key in [first, second] {
            identities.delete_access_key(ACCOUNT, "ann", &key.id).unwrap();
        }
        identities.delete_user(ACCOUNT, "ann").unwrap();
    }
}
