//! The decision: what all policies together say to one request.
//!
//! ```text
//! any explicit Deny ─────────────────────────────────────────────► denied
//! the account's root ────────────────────────────────────────────► allowed (in another account the resource must allow it)
//! same account:   resource allows the principal itself ──────────► allowed
//!                 resource allows its role ─┐
//!                 identity allows ──────────┴─► boundary and session allow ─► allowed
//! other account:  resource allows (at any closeness) AND identity, boundary and session allow ─► allowed
//! anything else ─────────────────────────────────────────────────► denied
//! ```
//! Some resources must allow in their own account too: a role by its trust policy, a key by its key policy. There, a resource
//! that names the account leaves the rest to the identity's policies.

use super::compiled::{CompiledPolicy, Say};
use super::context::Context;
use super::principals::Closeness;
use crate::{Principal, PrincipalKind};
use std::fmt;
use std::sync::Arc;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// In lower case, as `kinesis:putrecord`.
    pub lower_action: &'a str,
    /// The resource's ARN, or `*` for an action that has none.
    pub resource: &'a str,
    /// The account that the resource belongs to.
    pub owner: &'a str,
    /// The values of condition keys.
    pub context: &'a dyn Context,
}

/// The policies of an identity.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// What it may do: its own and its groups'.
    pub identity: Vec<Arc<CompiledPolicy>>,
    /// What it may do at most.
    pub boundary: Option<Arc<CompiledPolicy>>,
    /// What its session may do at most; none when the session was made without policies.
    pub session: Option<Vec<Arc<CompiledPolicy>>>,
}

/// What a resource's own policy has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// It may allow what the identity's policies do not.
    #[default]
    MayAllow,
    /// It must allow, in its own account too: a role's trust policy, a key's policy.
    MustAllow,
}

/// Which policy it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// On a user, a group or a role.
    Identity,
    /// On the resource.
    Resource,
    /// On the role that is to be assumed.
    Trust,
    /// A permissions boundary.
    Boundary,
    /// Passed when the session was made.
    Session,
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// A policy forbids it; else no policy of the kind allows it.
    pub explicit: bool,
    /// The kind.
    pub by: PolicyKind,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The request may be carried out.
    Allowed,
    /// It may not.
    Denied(Denial),
}

impl Denial {
    /// The denial in AWS's words.
    pub fn message(&self, principal: &str, action: &str, resource: &str) -> String {
        // AWS names no resource where an action has none.
        let on = if resource == "*" { String::new() } else { format!(" on resource: {resource}") };
        format!("User: {principal} is not authorized to perform: {action}{on} {}", self.because(action))
    }

    /// The end of AWS's sentence.
    fn because(&self, action: &str) -> String {
        if self.explicit {
            return format!("with an explicit deny in {}", self.by);
        }
        let kind = match self.by {
            PolicyKind::Identity => "identity-based policy",
            PolicyKind::Resource => "resource-based policy",
            PolicyKind::Trust => "role trust policy",
            PolicyKind::Boundary => "permissions boundary",
            PolicyKind::Session => "session policy",
        };
        format!("because no {kind} allows the {action} action")
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "an identity-based policy",
            Self::Resource => "a resource-based policy",
            Self::Trust => "the role trust policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
        })
    }
}

/// Decides. `resource`: the resource's own policy, if it has one, and what it has to say.
pub fn decide(
    request: &Request<'_>,
    policies: &PolicySet,
    resource: Option<&CompiledPolicy>,
    rule: Rule,
    resource_kind: PolicyKind,
) -> Decision {
    let identity = say(&policies.identity, request);
    let boundary = policies.boundary.as_ref().map(|boundary| boundary.say(request));
    let session = policies.session.as_ref().map(|list| say(list, request));
    let resource = resource.map_or(Say::Nothing, |policy| policy.say(request));
    let forbids = [
        (identity, PolicyKind::Identity),
        (resource, resource_kind),
        (boundary.unwrap_or(Say::Nothing), PolicyKind::Boundary),
        (session.unwrap_or(Say::Nothing), PolicyKind::Session),
    ];
    if let Some((_, by)) = forbids.into_iter().find(|(said, _)| *said == Say::Deny) {
        return Decision::Denied(Denial { explicit: true, by });
    }
    let lacks = |by| Decision::Denied(Denial { explicit: false, by });
    let closeness = match resource {
        Say::Allow(closeness) => Some(closeness),
        _ => None,
    };
    let own = *request.principal.account == *request.owner;
    if let PrincipalKind::Service(_) | PrincipalKind::Anonymous = request.principal.kind {
        // A service, and somebody unknown, has no policies of its own: the resource's must name it.
        return if closeness.is_some() { Decision::Allowed } else { lacks(resource_kind) };
    }
    if closeness.is_none() && (!own || rule == Rule::MustAllow) {
        return lacks(resource_kind);
    }
    // Granted to the principal itself, in its own account: nothing that merely does not allow holds it back.
    if own && closeness == Some(Closeness::Itself) {
        return Decision::Allowed;
    }
    let is_root = request.principal.kind == PrincipalKind::Root;
    let by_resource = own && closeness == Some(Closeness::Role);
    if !is_root && !by_resource && !allows(identity) {
        return lacks(PolicyKind::Identity);
    }
    if boundary.is_some_and(|said| !allows(said)) && !is_root {
        return lacks(PolicyKind::Boundary);
    }
    if session.is_some_and(|said| !allows(said)) {
        return lacks(PolicyKind::Session);
    }
    Decision::Allowed
}

fn allows(said: Say) -> bool {
    matches!(said, Say::Allow(_))
}

fn say(policies: &[Arc<CompiledPolicy>], request: &Request<'_>) -> Say {
    policies.iter().map(|policy| policy.say(request)).max().unwrap_or(Say::Nothing)
}
