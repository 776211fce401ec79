//! Temporary credentials: what STS hands out, and whom an access key stands for.
//!
//! # Access key ids
//! ```text
//! AKIA | ASIA   MR   ACCOUNT(12 digits)   RANDOM(6)
//! ```
//! `AKIA` is a user's key, `ASIA` a temporary one. The account stands in the id, so that a request finds its account
//! without a look-up ([`Scope::of_caller`]); AWS's own keys have 20 characters and are never taken for one of these.
//!
//! A session that has ended is refused; its entry goes at the next new one.

use crate::identities::key;
use crate::{Identities, IdentityError, Role, Secret, Tags};
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};

pub(crate) const SESSIONS: &str = "sts-sessions";
/// What a user's key begins with.
pub(crate) const PERMANENT: &str = "AKIA";
/// What a session's key begins with.
pub const TEMPORARY: &str = "ASIA";
/// Whom an access key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// For example `arn:aws:sts::000000000000:assumed-role/loader/me`.
    pub arn: String,
    /// The unique id, for example `AROA…:me`.
    pub user_id: String,
}

/// Temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret_access_key: Secret,
    /// What goes with every request.
    pub session_token: Secret,
    /// When they end.
    pub expiration: Millis,
    /// Whom they stand for.
    pub identity: Identity,
}

/// What a session of a role is asked for with.
#[derive(Debug, Clone, Default)]
pub struct SessionRequest<'a> {
    /// The role's ARN.
    pub role_arn: &'a str,
    /// What the session is called.
    pub name: &'a str,
    /// How long it is to last; an hour unless set.
    pub seconds: Option<u32>,
    /// Policies, as JSON, that bound the session beside its role.
    pub policies: Vec<String>,
    /// Tags of the session.
    pub tags: Tags,
}

/// A session as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub arn: String,
    pub user_id: String,
    pub expires: Millis,
    #[serde(default)]
    pub issued: Millis,
    #[serde(default)]
    pub role_arn: Option<String>,
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default)]
    pub tags: Tags,
}

pub(crate) fn key_id(identities: &Identities, prefix: &str, account: &str) -> String {
    format!("{prefix}{}{account}{}", Scope::OWN_KEY_MARK, identities.letters(6))
}

impl Identities {
    /// Whom `access_key_id` stands for: a session, a user, or else its account's root.
    pub fn identify(&self, account: &str, access_key_id: &str) -> Result<Identity, IdentityError> {
        let account_id = account.to_owned();
        let session: Option<Session> = self.catalog.get(SESSIONS, &key(account, access_key_id))?;
        if let Some(Session { arn, user_id, .. }) = session {
            return Ok(Identity { account: account_id, arn, user_id });
        }
        let user = self.user_of_key(account, access_key_id)?;
        Ok(match user {
            Some(user) => Identity { account: account_id, arn: user.arn(), user_id: user.id },
            None => Identity {
                arn: format!("arn:aws:iam::{account}:root"),
                user_id: account_id.clone(),
                account: account_id,
            },
        })
    }

    /// Credentials of a session of a role, which act in the role's account.
    pub fn assume_role(&self, caller: &Identity, asked: SessionRequest<'_>) -> Result<Credentials, IdentityError> {
        let (role_arn, caller) = (asked.role_arn.to_owned(), caller.arn.clone());
        // AWS does not tell a role that is not there from one that may not be assumed.
        self.session_for_role(asked).map_err(|error| match error {
            IdentityError::NoSuchEntity(_) => {
                let action = "is not authorized to perform: sts:AssumeRole on resource";
                IdentityError::AccessDenied(format!("User: {caller} {action}: {role_arn}"))
            }
            other => other,
        })
    }

    /// Credentials of a session of a role, for whoever in this process acts in the role. Nobody's permission is asked, and
    /// each call writes to the disk: keep what it gives until shortly before it ends.
    pub fn session_for_role(&self, asked: SessionRequest<'_>) -> Result<Credentials, IdentityError> {
        self.session_within(asked, |role| role.session_seconds_max)
    }

    /// The same for a service, whose sessions a role's own maximum does not bound.
    pub fn session_for_service(&self, asked: SessionRequest<'_>) -> Result<Credentials, IdentityError> {
        self.session_within(asked, |_| u32::MAX)
    }

    fn session_within(
        &self,
        asked: SessionRequest<'_>,
        seconds_max: impl FnOnce(&Role) -> u32,
    ) -> Result<Credentials, IdentityError> {
        let SessionRequest { role_arn, name, seconds, policies, tags } = asked;
        let missing = || IdentityError::NoSuchEntity(format!("The role {role_arn} cannot be found."));
        let rest = role_arn.strip_prefix("arn:aws:iam::").ok_or_else(missing)?;
        let (account, path) = rest.split_once(":role/").ok_or_else(missing)?;
        let role_name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let role = self.role(account, role_name)?;
        if role.arn() != role_arn {
            return Err(missing());
        }
        let seconds = seconds.unwrap_or(crate::SESSION_SECONDS_DEFAULT);
        if seconds > seconds_max(&role) {
            let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned();
            return Err(IdentityError::InvalidInput(message));
        }
        let identity = Identity {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}"),
            user_id: format!("{}:{name}", role.id),
        };
        let mut session = self.session_of(&identity, seconds);
        session.role_arn = Some(role_arn.to_owned());
        (session.policies, session.tags) = (policies, tags);
        self.hand_out(identity, session)
    }

    /// Credentials that stand for the caller, a user or root, for `seconds`.
    pub fn session_token(&self, caller: Identity, seconds: u32) -> Result<Credentials, IdentityError> {
        let session = self.session_of(&caller, seconds);
        self.hand_out(caller, session)
    }

    fn session_of(&self, identity: &Identity, seconds: u32) -> Session {
        let issued = self.clock.now();
        Session {
            arn: identity.arn.clone(),
            user_id: identity.user_id.clone(),
            expires: issued + i64::from(seconds) * 1000,
            issued,
            role_arn: None,
            policies: Vec::new(),
            tags: Tags::new(),
        }
    }

    fn hand_out(&self, identity: Identity, session: Session) -> Result<Credentials, IdentityError> {
        let access_key_id = key_id(self, TEMPORARY, &identity.account);
        let all: Vec<(String, Session)> = self.catalog.list(SESSIONS, &format!("{}/", identity.account))?;
        self.catalog.update(|transaction| {
            for (ended, _) in all.iter().filter(|(_, other)| other.expires <= session.issued) {
                transaction.delete(SESSIONS, ended)?;
            }
            transaction.put(SESSIONS, &key(&identity.account, &access_key_id), &session)
        })?;
        let (secret_access_key, session_token) = (self.secret_of(&access_key_id)?, self.token_of(&access_key_id)?);
        let expiration = session.expires;
        Ok(Credentials { access_key_id, secret_access_key, session_token, expiration, identity })
    }
}
