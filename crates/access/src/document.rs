//! The form of policy documents: what IAM checks before it keeps one.

use crate::{CompiledPolicy, IdentityError};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which policy a document is: they differ in what a statement must and must not say, and in how long they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who may assume a role.
    Trust,
    /// What an identity may do, in a policy of its own.
    Managed,
    /// What an identity may do, in a policy that is part of it; the quota is on all of them together.
    Inline,
}

/// Quotas in characters that are no white space (source: IAM and STS quotas in the IAM user guide).
const TRUST_CHARACTERS_MAX: usize = 2048;
const MANAGED_CHARACTERS_MAX: usize = 6144;
/// All inline policies of a role together.
pub(crate) const INLINE_CHARACTERS_MAX: usize = 10_240;

/// How long a document counts.
pub(crate) fn characters(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// Refuses more inline policies than `max` characters hold.
pub(crate) fn check_all_inline(
    inline: &BTreeMap<String, String>,
    max: usize,
    kind: &str,
    name: &str,
) -> Result<(), IdentityError> {
    let all: usize = inline.values().map(|document| characters(document)).sum();
    if all > max {
        let message = format!("Maximum policy size of {max} bytes exceeded for {kind} {name}");
        return Err(IdentityError::LimitExceeded(message));
    }
    Ok(())
}

/// Refuses more managed policies than a quota.
pub(crate) fn check_attached(attached: usize, max: usize, quota: &str) -> Result<(), IdentityError> {
    if attached > max {
        return Err(IdentityError::LimitExceeded(format!("Cannot exceed quota for {quota}: {max}")));
    }
    Ok(())
}

/// Refuses a document that IAM would refuse.
pub fn check(document: &str, kind: Kind) -> Result<(), IdentityError> {
    let malformed = |message: &str| Err(IdentityError::MalformedPolicyDocument(message.to_owned()));
    let over = |quota: &str| Err(IdentityError::LimitExceeded(format!("Cannot exceed quota for {quota}")));
    match kind {
        Kind::Trust if characters(document) > TRUST_CHARACTERS_MAX => return over("ACLSizePerRole: 2048"),
        Kind::Managed if characters(document) > MANAGED_CHARACTERS_MAX => return over("PolicySize: 6144"),
        _ => {}
    }
    let Ok(policy) = serde_json::from_str::<Value>(document) else {
        return malformed("This policy contains invalid Json");
    };
    let version = policy.get("Version").map(Value::as_str);
    let is_version = matches!(version, None | Some(Some("2012-10-17" | "2008-10-17")));
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => Vec::new(),
    };
    if !is_version || statements.is_empty() || !statements.iter().all(|statement| statement.is_object()) {
        return malformed("Syntax errors in policy.");
    }
    for statement in statements {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return malformed("Syntax errors in policy.");
        }
        if !has(["Action", "NotAction"]) {
            return malformed("Policy statement must contain actions.");
        }
        let has_principal = has(["Principal", "NotPrincipal"]);
        match kind {
            Kind::Trust if !has_principal => return malformed("Missing required field Principal"),
            Kind::Trust if has(["Resource", "NotResource"]) => return malformed("Has prohibited field Resource"),
            Kind::Trust => {}
            _ if has_principal => return malformed("Policy document should not specify a principal."),
            _ if !has(["Resource", "NotResource"]) => return malformed("Policy statement must contain resources."),
            _ => {}
        }
    }
    // What could not be evaluated is not kept.
    CompiledPolicy::new(document).map(drop).map_err(|error| IdentityError::MalformedPolicyDocument(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(document: &str, kind: Kind) -> String {
        check(document, kind).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_document_is_refused_for_what_it_lacks() {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"x"},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(said(trust, Kind::Trust), "fine");
        assert_eq!(said(trust, Kind::Inline), "Policy document should not specify a principal.");
        let own = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        assert_eq!(said(own, Kind::Managed), "fine");
        assert_eq!(said(own, Kind::Trust), "Missing required field Principal");
        assert_eq!(
            said(r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#, Kind::Inline),
            "Policy statement must contain resources."
        );
        assert_eq!(
            said(r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#, Kind::Inline),
            "Policy statement must contain actions."
        );
        assert_eq!(
            said(r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#, Kind::Inline),
            "Syntax errors in policy."
        );
        assert_eq!(said(r#"{"Version":"2020","Statement":[]}"#, Kind::Inline), "Syntax errors in policy.");
        assert_eq!(said("{", Kind::Managed), "This policy contains invalid Json");
    }

    #[test]
    fn white_space_does_not_count() {
        let policy =
            |fill: String| format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:{fill}","Resource":"*"}}}}"#);
        assert_eq!(said(&policy(" ".repeat(7000)), Kind::Managed), "fine");
        assert_eq!(said(&policy("x".repeat(6144)), Kind::Managed), "Cannot exceed quota for PolicySize: 6144");
    }
}
