//! The form of policy documents: what IAM checks before it keeps one.

use crate::{CompiledPolicy, IdentityError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which policy a document is: they differ in what a statement must and must not say, and in how long they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who may assume a role.
    Trust,
    /// What an identity may do, in a policy of its own.
    Managed,
    /// What an identity may do, in a policy that is part of it; the quota is on all of them together.
    Inline,
    /// Who may do what with a resource, in a policy of the resource's own: a queue's, a topic's, a key's.
    Resource,
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
    // What could not be evaluated is not kept.
    CompiledPolicy::new(document).map_err(|error| IdentityError::MalformedPolicyDocument(error.to_string()))?;
    for statement in &statements {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return malformed("Syntax errors in policy.");
        }
        if !has(["Action", "NotAction"]) {
            return malformed("Policy statement must contain actions.");
        }
        let has_principal = has(["Principal", "NotPrincipal"]);
        match kind {
            Kind::Trust | Kind::Resource if !has_principal => return malformed("Missing required field Principal"),
            Kind::Trust if has(["Resource", "NotResource"]) => return malformed("Has prohibited field Resource"),
            Kind::Trust | Kind::Resource => {}
            _ if has_principal => return malformed("Policy document should not specify a principal."),
            _ if !has(["Resource", "NotResource"]) => return malformed("Policy statement must contain resources."),
            _ => {}
        }
    }
    if matches!(kind, Kind::Managed | Kind::Inline) && has_sid_twice(&statements) {
        return malformed("Statement IDs (SID) in a single policy must be unique.");
    }
    Ok(())
}

fn has_sid_twice(statements: &[&Value]) -> bool {
    let mut known = BTreeSet::new();
    let mut sids = statements.iter().filter_map(|statement| statement["Sid"].as_str()).filter(|sid| !sid.is_empty());
    sids.any(|sid| !known.insert(sid))
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

    /// What stands beside `Effect`, `Action` and `Resource` of a statement, and what it is refused with.
    const STATEMENTS: &[(&str, &str)] = &[
        (r#""Foo":1"#, r#"A statement has no element "Foo""#),
        (r#""effect":"Deny""#, r#"A statement has no element "effect""#),
        (r#""Conditions":{}"#, r#"A statement has no element "Conditions""#),
        (r#""Effect":"Deny""#, r#"An object has "Effect" twice"#),
        (r#""Sid":7"#, "Sid must be a text"),
        (r#""NotAction":"b:*""#, "not both"),
        (r#""NotResource":"arn:aws:s3:::b""#, "not both"),
        (r#""Condition":[]"#, "Condition must be an object"),
        (r#""Condition":{"StringEquals":{"aws:username":[]}}"#, "has no values"),
        (r#""Condition":{"StringEquals":{"a":"b"},"StringEquals":{"a":"c"}}"#, r#"An object has "StringEquals" twice"#),
        (r#""Condition":{"StringEqual":{"a":"b"}}"#, "Invalid Condition type : StringEqual."),
        (r#""Condition":{"ForAnyValue:StringEqual":{"a":"b"}}"#, "ForAnyValue:StringEqual"),
        (r#""Condition":{"ForSomeValue:StringEquals":{"a":"b"}}"#, "ForSomeValue:StringEquals"),
    ];

    #[test]
    fn what_is_not_known_is_refused_in_every_kind_of_policy() {
        let kinds = [(Kind::Managed, ""), (Kind::Inline, ""), (Kind::Trust, PRINCIPAL), (Kind::Resource, PRINCIPAL)];
        for (kind, principal) in kinds {
            let resource = if kind == Kind::Trust { "" } else { r#","Resource":"*""# };
            let policy = |more: &str| {
                let own = format!(r#""Effect":"Allow","Action":"sts:AssumeRole"{resource}{principal}"#);
                format!(r#"{{"Version":"2008-10-17","Id":"x","Statement":[{{{own}{more}}}]}}"#)
            };
            assert_eq!(said(&policy(""), kind), "fine");
            for (more, why) in STATEMENTS {
                let said = said(&policy(&format!(",{more}")), kind);
                // A trust policy is refused for naming a resource at all.
                let is_other = kind == Kind::Trust && more.contains("Resource") && said.contains("prohibited");
                assert!(said.contains(why) || is_other, "{kind:?} {more}: {said}");
            }
            let top = policy("").replacen('{', r#"{"Foo":1,"#, 1);
            assert!(said(&top, kind).contains(r#"A policy has no element "Foo""#));
        }
    }

    const PRINCIPAL: &str = r#","Principal":"*""#;

    #[test]
    fn resources_are_arns() {
        let of = |resource: &str| {
            let document = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"*","Resource":"{resource}"}}}}"#);
            said(&document, Kind::Inline)
        };
        for good in [
            "*",
            "arn:aws:s3:::bucket/${aws:username}/*",
            "arn:*:sqs:*:*:*",
            "arn:aws:logs:us-east-1:1:log-group:a:b",
            "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}",
            "arn:aws:sns:us-east-1:*",
        ] {
            assert_eq!(of(good), "fine", "{good}");
        }
        for bad in ["foo", "", "ARN:aws:s3:::b", "arn", "arn:aws:s3", "arn:aws:sqs:${aws:username}", "b*", "*foo"] {
            assert_eq!(of(bad), format!("Resource {bad} must be in ARN format or \"*\"."));
        }
        let none = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":[]}}"#;
        assert_eq!(said(none, Kind::Inline), "Policy statement must contain resources.");
    }

    #[test]
    fn principals_have_a_shape() {
        for bad in ["7", "[]", "{}", r#""AWS""#, r#"{"Foo":"*"}"#, r#"{"aws":"*"}"#, r#"{"AWS":[]}"#, r#"{"AWS":{}}"#] {
            for kind in [Kind::Trust, Kind::Resource] {
                let document =
                    format!(r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{bad}}}}}"#);
                let said = said(&document, kind);
                assert!(said.contains("rincipal"), "{bad}: {said}");
            }
        }
    }

    #[test]
    fn an_identitys_statements_are_told_apart() {
        let twice = r#"{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
        assert_eq!(said(twice, Kind::Inline), "Statement IDs (SID) in a single policy must be unique.");
        assert_eq!(said(&twice.replacen(r#""Sid":"a""#, r#""Sid":"b""#, 1), Kind::Inline), "fine");
        assert_eq!(said(&twice.replace(r#""Sid":"a""#, r#""Sid":"""#), Kind::Inline), "fine");
    }

    #[test]
    fn white_space_does_not_count() {
        let policy =
            |fill: String| format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:{fill}","Resource":"*"}}}}"#);
        assert_eq!(said(&policy(" ".repeat(7000)), Kind::Managed), "fine");
        assert_eq!(said(&policy("x".repeat(6144)), Kind::Managed), "Cannot exceed quota for PolicySize: 6144");
    }
}
