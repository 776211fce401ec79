//! Temporary credentials: what STS hands out, and whom an access key stands for.
//!
//! # Access key ids
//! ```text
//! AKIA | ASIA   MR   ACCOUNT(12 digits)   RANDOM(6)
//! ```
//! `AKIA` is a user's key, `ASIA` a temporary one. The account stands in the id, so that a request finds its account
//! without a look-up ([`Scope::of_caller`]); AWS's own keys have 20 characters and are never taken for one of these.
//!
//! Signatures are not verified yet, so an expired session still works; it is forgotten at the next new one.

use crate::identities::key;
use crate::{Identities, IdentityError};
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};

const SESSIONS: &str = "sts-sessions";
/// What a user's key begins with.
pub(crate) const PERMANENT: &str = "AKIA";
/// What a session's key begins with.
const TEMPORARY: &str = "ASIA";
/// Letters of a session token: AWS's are of about this length.
const TOKEN_LETTERS: usize = 356;
/// Letters of a secret: as AWS's.
const SECRET_LETTERS: usize = 40;

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
    pub secret_access_key: String,
    /// What goes with every request.
    pub session_token: String,
    /// When they end.
    pub expiration: Millis,
    /// Whom they stand for.
    pub identity: Identity,
}

/// What a session of a role is asked for with.
#[derive(Debug, Clone, Copy)]
pub struct SessionRequest<'a> {
    /// The role's ARN.
    pub role_arn: &'a str,
    /// What the session is called.
    pub name: &'a str,
    /// How long it is to last; an hour unless set.
    pub seconds: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Session {
    arn: String,
    user_id: String,
    expires: Millis,
}

pub(crate) fn key_id(identities: &Identities, prefix: &str, account: &str) -> String {
    format!("{prefix}{}{account}{}", Scope::OWN_KEY_MARK, identities.letters(6))
}

pub(crate) fn secret(identities: &Identities) -> String {
    identities.letters(SECRET_LETTERS)
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
        let SessionRequest { role_arn, name, seconds } = asked;
        let denied = || {
            let action = "is not authorized to perform: sts:AssumeRole on resource";
            IdentityError::AccessDenied(format!("User: {} {action}: {role_arn}", caller.arn))
        };
        let rest = role_arn.strip_prefix("arn:aws:iam::").ok_or_else(denied)?;
        let (account, path) = rest.split_once(":role/").ok_or_else(denied)?;
        let role_name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        // AWS does not tell a role that is not there from one that may not be assumed.
        let role = match self.role(account, role_name) {
            Ok(role) if role.arn() == role_arn => role,
            Ok(_) | Err(IdentityError::NoSuchEntity(_)) => return Err(denied()),
            Err(other) => return Err(other),
        };
        let seconds = seconds.unwrap_or(crate::SESSION_SECONDS_DEFAULT);
        if seconds > role.session_seconds_max {
            let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned();
            return Err(IdentityError::InvalidInput(message));
        }
        let identity = Identity {
            account: account.to_owned(),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}"),
            user_id: format!("{}:{name}", role.id),
        };
        self.hand_out(identity, seconds)
    }

    /// Credentials that stand for the caller, for `seconds`.
    pub fn session_token(&self, caller: Identity, seconds: u32) -> Result<Credentials, IdentityError> {
        self.hand_out(caller, seconds)
    }

    fn hand_out(&self, identity: Identity, seconds: u32) -> Result<Credentials, IdentityError> {
        let now = self.clock.now();
        let expiration = now + i64::from(seconds) * 1000;
        let access_key_id = key_id(self, TEMPORARY, &identity.account);
        let session = Session { arn: identity.arn.clone(), user_id: identity.user_id.clone(), expires: expiration };
        let all: Vec<(String, Session)> = self.catalog.list(SESSIONS, &format!("{}/", identity.account))?;
        self.catalog.update(|transaction| {
            for (ended, _) in all.iter().filter(|(_, session)| session.expires <= now) {
                transaction.delete(SESSIONS, ended)?;
            }
            transaction.put(SESSIONS, &key(&identity.account, &access_key_id), &session)
        })?;
        let (secret_access_key, session_token) = (secret(self), self.letters(TOKEN_LETTERS));
        Ok(Credentials { access_key_id, secret_access_key, session_token, expiration, identity })
    }
}
