//! Who owns a resource: account and region, and the ARNs made of them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The account and region in which names are unique. Two scopes never see each other's resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// Twelve decimal digits.
    pub account: Arc<str>,
    /// For example `us-east-1`.
    pub region: Arc<str>,
}

impl Scope {
    /// The account of a caller whose access key id is not twelve digits.
    pub const DEFAULT_ACCOUNT: &str = "000000000000";
    /// The region of a caller that names none.
    pub const DEFAULT_REGION: &str = "us-east-1";

    /// What tells an access key id that Millrace made: it stands before the account, behind `AKIA` or `ASIA`.
    pub const OWN_KEY_MARK: &str = "MR";
    /// Letters of an access key id that Millrace made; AWS's have 20.
    const OWN_KEY_LETTERS: usize = 24;

    /// A scope from its two parts.
    pub fn new(account: &str, region: &str) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// The scope that a request's access key id and signed region select: a twelve-digit key id is the account, and one that
    /// Millrace made has the account in it.
    pub fn of_caller(access_key_id: &str, region: &str) -> Self {
        Self::new(Self::account_of(access_key_id).unwrap_or(Self::DEFAULT_ACCOUNT), region)
    }

    /// The account that stands in an access key id.
    pub fn account_of(access_key_id: &str) -> Option<&str> {
        let own = ["AKIA", "ASIA"].iter().find_map(|kind| access_key_id.strip_prefix(kind));
        let own = own.filter(|_| access_key_id.len() == Self::OWN_KEY_LETTERS);
        let own = own.and_then(|rest| rest.strip_prefix(Self::OWN_KEY_MARK)?.get(..12));
        let account = own.unwrap_or(access_key_id);
        (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
    }

    /// The ARN of a resource in this scope, for example `arn("kinesis", "stream/orders")`.
    pub fn arn(&self, service: &str, resource: &str) -> Arn {
        Arn { service: service.into(), scope: self.clone(), resource: resource.into() }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new(Self::DEFAULT_ACCOUNT, Self::DEFAULT_REGION)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// An Amazon resource name, `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`. Partitions other than `aws` are read, not kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    /// For example `kinesis`.
    pub service: Arc<str>,
    /// Account and region; both may be empty (`arn:aws:s3:::bucket`).
    pub scope: Scope,
    /// All after the fifth colon, for example `stream/orders`.
    pub resource: Arc<str>,
}

/// A text that is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an ARN: it has the form arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE")]
pub struct ArnError(pub String);

impl Arn {
    /// The resource's name: what follows its type, for example `orders` of `stream/orders`.
    pub fn name(&self) -> &str {
        self.resource.split_once(['/', ':']).map_or(&*self.resource, |(_, name)| name)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:{}:{}:{}:{}", self.service, self.scope.region, self.scope.account, self.resource)
    }
}

impl std::str::FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, service, region, account, resource]
                if partition.starts_with("aws") && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self { service: service.into(), scope: Scope::new(account, region), resource: resource.into() })
            }
            _ => Err(ArnError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twelve_digit_key_is_the_account() {
        assert_eq!(&*Scope::of_caller("123456789012", "eu-west-1").account, "123456789012");
        assert_eq!(&*Scope::of_caller("AKIAIOSFODNN7EXAMPLE", "eu-west-1").account, "000000000000");
    }

    #[test]
    fn arns_round_trip() {
        let arn: Arn = "arn:aws:kinesis:us-east-1:111111111111:stream/orders".parse().unwrap();
        assert_eq!(arn.name(), "orders");
        assert_eq!(arn.to_string(), "arn:aws:kinesis:us-east-1:111111111111:stream/orders");
        assert_eq!("arn:aws:s3:::lake".parse::<Arn>().unwrap().name(), "lake");
        assert!("stream/orders".parse::<Arn>().is_err());
    }
}
