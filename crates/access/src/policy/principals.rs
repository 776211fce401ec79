//! `Principal` and `NotPrincipal`: whom a statement of a resource's or a role's own policy is about.

use super::grammar::{Malformed, texts};
use crate::{Principal, PrincipalKind};
use serde_json::Value;

/// How closely a statement names a principal: the closer, the less else is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closeness {
    /// Its account: what it may do is left to the account's own policies.
    Account,
    /// The role behind a session: boundary and session policies still bound it.
    Role,
    /// Itself: the user, the session, the service, or anybody.
    Itself,
}

/// The principals that a statement lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principals {
    anybody: bool,
    /// Twelve digits each.
    accounts: Vec<Box<str>>,
    /// ARNs of users, roles, sessions, and unique ids.
    named: Vec<Box<str>>,
    services: Vec<Box<str>>,
    federated: Vec<Box<str>>,
}

impl Principals {
    /// Reads the element's value.
    pub fn read(value: &Value) -> Result<Self, Malformed> {
        let mut all = Self::default();
        match value {
            Value::String(text) if text == "*" => all.anybody = true,
            Value::Object(kinds) if !kinds.is_empty() => {
                for (kind, values) in kinds {
                    let values = texts(values, &format!("Principal {kind}"))?;
                    if values.is_empty() {
                        return Err(invalid(&format!("\"{kind}\" lists nobody")));
                    }
                    all.add(kind, values)?;
                }
            }
            _ => return Err(invalid("Principal must be \"*\" or an object of AWS, Service or Federated")),
        }
        Ok(all)
    }

    fn add(&mut self, kind: &str, values: Vec<String>) -> Result<(), Malformed> {
        match kind {
            "AWS" => {
                for value in values {
                    self.add_aws(&value)?;
                }
            }
            "Service" => self.services.extend(values.into_iter().map(Into::into)),
            "Federated" => self.federated.extend(values.into_iter().map(Into::into)),
            // Amazon S3's ids of accounts: nobody has one here.
            "CanonicalUser" => {}
            other => return Err(invalid(&format!("\"{other}\""))),
        }
        Ok(())
    }

    fn add_aws(&mut self, value: &str) -> Result<(), Malformed> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if value == "*" {
            self.anybody = true;
            return Ok(());
        }
        if is_account(value) {
            self.accounts.push(value.into());
            return Ok(());
        }
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        match parts[..] {
            ["arn", _, "iam", "", account, "root"] if is_account(account) => self.accounts.push(account.into()),
            ["arn", _, "iam" | "sts", "", account, resource] if is_account(account) && !resource.contains('*') => {
                self.named.push(value.into());
            }
            // A unique id stands where somebody who was deleted had been.
            [id] if id.starts_with("AIDA") || id.starts_with("AROA") => self.named.push(id.into()),
            _ => return Err(invalid(&format!("\"AWS\":\"{value}\""))),
        }
        Ok(())
    }

    /// How closely the list names `principal`, if it does.
    pub fn closeness(&self, principal: &Principal) -> Option<Closeness> {
        if self.anybody {
            return Some(Closeness::Itself);
        }
        let named = |arn: &str| self.named.iter().any(|named| **named == *arn);
        let in_account = || self.accounts.iter().any(|account| **account == *principal.account);
        match &principal.kind {
            PrincipalKind::Service(name) => self
                .services
                .iter()
                .any(|service| **service == **name || &**service == "*")
                .then_some(Closeness::Itself),
            PrincipalKind::Anonymous => None,
            PrincipalKind::Root => in_account().then_some(Closeness::Itself),
            PrincipalKind::User { .. } if named(&principal.arn) || named(&principal.user_id) => Some(Closeness::Itself),
            PrincipalKind::Role { .. } if named(&principal.arn) => Some(Closeness::Itself),
            PrincipalKind::Role { arn, .. } if named(arn) || named(role_id(&principal.user_id)) => {
                Some(Closeness::Role)
            }
            _ => in_account().then_some(Closeness::Account),
        }
    }

    /// Whether the list, as a `NotPrincipal`, leaves `principal` out. `strictly`: a role's session must be named by itself
    /// and by its role, as a Deny asks for; else either name is enough.
    pub fn leaves_out(&self, principal: &Principal, strictly: bool) -> bool {
        let named = |arn: &str| self.named.iter().any(|named| **named == *arn);
        match &principal.kind {
            _ if self.anybody => true,
            PrincipalKind::Role { arn, .. } if strictly => named(&principal.arn) && named(arn),
            PrincipalKind::Root | PrincipalKind::Service(_) | PrincipalKind::Anonymous => {
                self.closeness(principal).is_some()
            }
            _ if strictly => self.closeness(principal).is_some_and(|close| close > Closeness::Account),
            _ => self.closeness(principal).is_some(),
        }
    }
}

/// `AROA…` of `AROA…:session`.
fn role_id(user_id: &str) -> &str {
    user_id.split_once(':').map_or(user_id, |(role, _)| role)
}

fn invalid(what: &str) -> Malformed {
    Malformed(format!("Invalid principal in policy: {what}"))
}
