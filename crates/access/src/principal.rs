//! Who a request is made by, as policies see it.

use crate::Tags;
use millrace_base::Millis;
use std::sync::Arc;

/// Whoever makes a request: the subject of every decision, and of every line of the audit.
///
/// It says who somebody is, never what they know: there is no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account it belongs to: twelve digits.
    pub account: Arc<str>,
    /// What kind it is.
    pub kind: PrincipalKind,
    /// For example `arn:aws:iam::000000000000:user/ann` or `arn:aws:sts::000000000000:assumed-role/loader/me`.
    pub arn: Arc<str>,
    /// The unique id (`aws:userid`): the account of root, `AIDA…` of a user, `AROA…:session` of a role.
    pub user_id: Arc<str>,
    /// The key that the request is signed with; empty for what the server does by itself.
    pub access_key_id: Arc<str>,
    /// Tags of the user, or of the session (`aws:PrincipalTag/…`).
    pub tags: Tags,
    /// What bounds a session beside its role; none when nothing was passed with the request for it.
    pub session: Option<Arc<SessionLimits>>,
    /// When temporary credentials were handed out (`aws:TokenIssueTime`); none for long-lived ones.
    pub issued: Option<Millis>,
}

/// The kinds of principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// An account's root user: policies of its account do not bind it.
    Root,
    /// A user of IAM.
    User {
        /// Its name, unique in the account.
        name: Arc<str>,
    },
    /// A session of a role.
    Role {
        /// The ARN of the role.
        arn: Arc<str>,
        /// The role's name, unique in the account.
        name: Arc<str>,
        /// What the session is called.
        session: Arc<str>,
    },
    /// A service that acts for itself, for example `lambda.amazonaws.com`.
    Service(Arc<str>),
    /// Somebody who does not say who they are: an operation that needs no credentials.
    Anonymous,
}

/// What a session may do at most: what its role may *and* these policies allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Policies, as JSON.
    pub policies: Vec<String>,
}

impl Principal {
    /// The root user of an account.
    pub fn root(account: &str) -> Self {
        Self::of(PrincipalKind::Root, account, &format!("arn:aws:iam::{account}:root"), account)
    }

    /// A service that acts in an account, for example `sns.amazonaws.com`.
    pub fn service(account: &str, name: &str) -> Self {
        Self::of(PrincipalKind::Service(name.into()), account, name, name)
    }

    /// Somebody who does not say who they are.
    pub fn anonymous() -> Self {
        Self::of(PrincipalKind::Anonymous, "anonymous", "anonymous", "anonymous")
    }

    fn of(kind: PrincipalKind, account: &str, arn: &str, user_id: &str) -> Self {
        Self {
            account: account.into(),
            kind,
            arn: arn.into(),
            user_id: user_id.into(),
            access_key_id: "".into(),
            tags: Tags::new(),
            session: None,
            issued: None,
        }
    }

    /// True for an account's root user.
    pub fn is_root(&self) -> bool {
        self.kind == PrincipalKind::Root
    }
}

impl PrincipalKind {
    /// The kind of whoever has `arn`, a user, root or a session of `role`; none of an ARN that is no principal's.
    pub fn of_arn(arn: &str, role: Option<&str>) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(4);
        let (account, resource) = (parts.next()?, parts.next()?);
        if resource == "root" {
            return Some(Self::Root);
        }
        let (kind, rest) = resource.split_once('/')?;
        match kind {
            "user" => Some(Self::User { name: rest.rsplit('/').next()?.into() }),
            "assumed-role" => {
                let (name, session) = rest.split_once('/')?;
                let arn = role.map_or_else(|| format!("arn:aws:iam::{account}:role/{name}").into(), Arc::from);
                Some(Self::Role { arn, name: name.into(), session: session.into() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_the_kind() {
        let kind = |arn: &str| PrincipalKind::of_arn(arn, None);
        assert_eq!(kind("arn:aws:iam::000000000000:root"), Some(PrincipalKind::Root));
        let ann = Some(PrincipalKind::User { name: "ann".into() });
        assert_eq!(kind("arn:aws:iam::000000000000:user/team/ann"), ann);
        let role: Arc<str> = "arn:aws:iam::000000000000:role/loader".into();
        let session = PrincipalKind::Role { arn: role.clone(), name: "loader".into(), session: "me".into() };
        assert_eq!(kind("arn:aws:sts::000000000000:assumed-role/loader/me"), Some(session));
        assert_eq!(kind(&role), None);
        assert_eq!(kind("arn:aws:kinesis:us-east-1:000000000000:stream/s"), None);
    }
}
