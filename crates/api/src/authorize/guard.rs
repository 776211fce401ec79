//! The guard that goes with every call: it knows who calls, and asks the policies.

use super::context::{CallContext, Circumstances, Via};
use super::input::Input;
use super::needs::{Need, Needs, needs};
use super::refusal;
use crate::wire::{Fault, Members, Model};
use millrace_access::{Authorizer, Decision, IdentityError, Principal, Question, Rule, Tags};
use millrace_base::{Clock, Scope};
use std::fmt;
use std::sync::Arc;

/// What policies want to know of resources that only their rooms know.
pub trait ResourceFacts: Send + Sync + 'static {
    /// The resource's own policy, as JSON: a queue's, a topic's, a function's, a stream's, a key's, a
    /// search domain's.
    fn policy(&self, arn: &str) -> Option<String>;
    /// Its tags.
    fn tags(&self, arn: &str) -> Option<Tags>;
    /// The ARN of the key that an alias or its ARN stands for.
    fn key(&self, _scope: &Scope, _name: &str) -> Option<String> {
        None
    }
    /// The names of the search domains of a scope.
    fn domains(&self, _scope: &Scope) -> Vec<String> {
        Vec::new()
    }
}

/// The name of the index itself, where no domain was deployed.
const OWN_DOMAIN: &str = "millrace";

/// No resource has a policy or tags.
pub struct NoFacts;

impl ResourceFacts for NoFacts {
    fn policy(&self, _: &str) -> Option<String> {
        None
    }

    fn tags(&self, _: &str) -> Option<Tags> {
        None
    }
}

/// What decides. One for the whole server.
pub struct Gate {
    /// The policies.
    pub authorizer: Authorizer,
    /// What rooms know of resources.
    pub facts: Arc<dyn ResourceFacts>,
    /// The time, for conditions on it.
    pub clock: Arc<dyn Clock>,
}

/// Who calls and what they may do. Cheap to clone. The default is open: it asks nothing, as with `--auth off`.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<Closed>>);

struct Closed {
    gate: Arc<Gate>,
    principal: Principal,
    circumstances: Circumstances,
}

/// One question of a call.
struct Ask<'a> {
    service: &'a str,
    region: &'a str,
    /// The caller's account, which owns what has no owner in its ARN.
    account: &'a str,
    members: Option<&'a dyn Members>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(closed) => write!(f, "Guard({})", closed.principal.arn),
            None => f.write_str("Guard(open)"),
        }
    }
}

impl Guard {
    /// A guard that asks `gate` what `principal` may do.
    pub fn new(gate: Arc<Gate>, principal: Principal, circumstances: Circumstances) -> Self {
        Self(Some(Arc::new(Closed { gate, principal, circumstances })))
    }

    /// True when nothing is asked.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Who calls; none when nobody was identified.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.as_ref().map(|closed| &closed.principal)
    }

    /// The search domains that a request to the index may be meant for.
    pub fn domains(&self, scope: &Scope) -> Vec<String> {
        let mut names = vec![OWN_DOMAIN.to_owned()];
        names.extend(self.0.iter().flat_map(|closed| closed.gate.facts.domains(scope)));
        names
    }

    /// Asks whether a call may be carried out, by its input.
    pub fn check(&self, model: &Model, operation: &str, scope: &Scope, members: &dyn Members) -> Result<(), Fault> {
        let Some(closed) = &self.0 else { return Ok(()) };
        let service = refusal::prefix(model);
        let identities = Some(closed.gate.authorizer.identities());
        let facts = Some(&*closed.gate.facts);
        let needed = needs(service, operation, &Input { members, scope, identities, facts });
        let needed = match needed {
            Needs::All(needed) => needed,
            Needs::Nothing => return Ok(()),
            // Somebody's own keys and data, asked for without a name.
            Needs::Later if service == "iam" => {
                vec![Need::on(format!("iam:{operation}"), &*closed.principal.arn)]
            }
            Needs::Later => return Ok(()),
        };
        let ask = Ask { service, region: &scope.region, account: &scope.account, members: Some(members) };
        needed.iter().try_for_each(|need| closed.allows(&ask, need))
    }

    /// Asks for one action on whichever of some resources may be had; what is forbidden on one of them is on all. The refusal that
    /// is told is that of the last.
    pub fn allow_any(&self, scope: &Scope, action: &str, resources: impl Iterator<Item = String>) -> Result<(), Fault> {
        let Some(closed) = &self.0 else { return Ok(()) };
        let service = action.split_once(':').map_or("", |(service, _)| service);
        let ask = Ask { service, region: &scope.region, account: &scope.account, members: None };
        let (mut allowed, mut refused) = (false, None);
        for resource in resources {
            let need = Need::on(action, resource);
            let resource = &need.resources[0];
            match closed.decide(&ask, &need, resource)? {
                Decision::Allowed => allowed = true,
                Decision::Denied(denial) => {
                    let refusal = refusal::refusal(service, denial, &closed.principal, action, resource);
                    if denial.explicit {
                        return Err(refusal);
                    }
                    refused = Some(refusal);
                }
            }
        }
        refused.filter(|_| !allowed).map_or(Ok(()), Err)
    }

    /// Whether a service may assume a role on behalf of a resource, as AWS asks when the role is handed to it. With `--auth off`
    /// any role will do.
    pub fn is_assumable(&self, scope: &Scope, role: &str, service: &str, source_arn: &str) -> bool {
        let Some(closed) = &self.0 else { return true };
        let via = Via {
            service: service.to_owned(),
            source_arn: Some(source_arn.to_owned()),
            source_account: Some(scope.account.to_string()),
        };
        let circumstances = Circumstances { secure: true, via: Some(via), ..Circumstances::default() };
        let assumes = Self::new(closed.gate.clone(), Principal::service(&scope.account, service), circumstances);
        assumes.allow(scope, &Need::on("sts:AssumeRole", role)).is_ok()
    }

    /// Asks for one action on one resource: for operations that find their resource by themselves.
    pub fn allow(&self, scope: &Scope, need: &Need) -> Result<(), Fault> {
        let Some(closed) = &self.0 else { return Ok(()) };
        let service = need.action.split_once(':').map_or("", |(service, _)| service);
        closed.allows(&Ask { service, region: &scope.region, account: &scope.account, members: None }, need)
    }
}

impl Closed {
    fn allows(&self, ask: &Ask<'_>, need: &Need) -> Result<(), Fault> {
        need.resources.iter().try_for_each(|resource| self.allows_on(ask, need, resource))
    }

    fn allows_on(&self, ask: &Ask<'_>, need: &Need, resource: &str) -> Result<(), Fault> {
        match self.decide(ask, need, resource)? {
            Decision::Allowed => Ok(()),
            Decision::Denied(denial) => {
                Err(refusal::refusal(ask.service, denial, &self.principal, &need.action, resource))
            }
        }
    }

    fn decide(&self, ask: &Ask<'_>, need: &Need, resource: &str) -> Result<Decision, IdentityError> {
        let Gate { authorizer, facts, clock } = &*self.gate;
        let owner = owner(resource).unwrap_or(ask.account);
        let context = CallContext {
            principal: &self.principal,
            circumstances: &self.circumstances,
            keys: &need.keys,
            members: ask.members,
            region: ask.region,
            resource,
            owner,
            facts: &**facts,
            now: clock.now(),
        };
        let (policy, rule) = self.policy(&need.action, resource, owner)?;
        let question = Question {
            principal: &self.principal,
            action: &need.action,
            resource,
            owner,
            context: &context,
            policy: policy.as_deref(),
            rule,
        };
        authorizer.decide(&question)
    }

    /// The resource's own policy, and whether it must allow.
    fn policy(&self, action: &str, resource: &str, owner: &str) -> Result<(Option<String>, Rule), IdentityError> {
        if action.starts_with("sts:") && resource.contains(":role/") {
            let name = resource.rsplit('/').next().unwrap_or_default();
            let found = match self.gate.authorizer.identities().role(owner, name) {
                Ok(role) if role.arn() == resource => Some(role.trust),
                // AWS does not tell a role that is not there from one that may not be assumed.
                Ok(_) | Err(IdentityError::NoSuchEntity(_)) => None,
                Err(other) => return Err(other),
            };
            return Ok((found, Rule::MustAllow));
        }
        let service = resource.split(':').nth(2).unwrap_or_default();
        let policy = match service {
            "sqs" | "sns" | "lambda" | "kinesis" | "kms" | "es" => self.gate.facts.policy(resource),
            _ => None,
        };
        let rule = if service == "kms" && policy.is_some() { Rule::MustAllow } else { Rule::MayAllow };
        Ok((policy, rule))
    }
}

/// The account in an ARN.
fn owner(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}
