//! The policy simulator: what a request would be answered, without making it. It asks the same rules as the doors do.

use super::Iam;
use crate::http::Caller;
use crate::models::iam::{
    ContextEntry, EvaluationResult, PermissionsBoundaryDecisionDetail, SimulateCustomPolicyRequest,
    SimulatePolicyResponse, SimulatePrincipalPolicyRequest, Statement, faults,
};
use crate::wire::{Fault, Text};
use millrace_access::{
    CompiledPolicy, Decision, Denial, Facts, PolicyKind, PolicySet, Principal, PrincipalKind, Request, Rule, decide,
};
use std::sync::Arc;

/// What both operations ask.
struct Simulation {
    principal: Principal,
    /// The identity's policies by the names that `MatchedStatements` calls them.
    named: Vec<(String, Arc<CompiledPolicy>)>,
    boundary: Option<Arc<CompiledPolicy>>,
    resource_policy: Option<Arc<CompiledPolicy>>,
    owner: String,
    actions: Vec<Text>,
    resources: Vec<Text>,
    context: Facts,
}

fn compiled(document: &Text) -> Result<Arc<CompiledPolicy>, Fault> {
    let invalid = |error: millrace_access::Malformed| faults::INVALID_INPUT_EXCEPTION.because(error.to_string());
    CompiledPolicy::new(document).map(Arc::new).map_err(invalid)
}

fn listed(kind: &str, documents: Option<&Vec<Text>>) -> Result<Vec<(String, Arc<CompiledPolicy>)>, Fault> {
    let documents = documents.map(Vec::as_slice).unwrap_or_default();
    let named = |(at, document): (usize, &Text)| Ok((format!("{kind}.{}", at + 1), compiled(document)?));
    documents.iter().enumerate().map(named).collect()
}

/// All boundaries together are one: each must allow, so more than one is refused.
fn boundary(documents: Option<&Vec<Text>>) -> Result<Option<Arc<CompiledPolicy>>, Fault> {
    match documents.map(Vec::as_slice) {
        None | Some([]) => Ok(None),
        Some([one]) => compiled(one).map(Some),
        Some(_) => {
            let message = "PermissionsBoundaryPolicyInputList can have one policy: an identity has one boundary.";
            Err(faults::INVALID_INPUT_EXCEPTION.because(message))
        }
    }
}

fn context(entries: Option<Vec<ContextEntry>>) -> Facts {
    let mut facts = Facts::default();
    for entry in entries.unwrap_or_default() {
        let values = entry.context_key_values.unwrap_or_default();
        let key = entry.context_key_name.unwrap_or_default();
        facts.put(&key, values.into_iter().map(|value| value.to_string()).collect());
    }
    facts
}

/// Somebody of an account whose policies are only those of the request.
fn caller_of(account: &str, arn: Option<&Text>) -> Result<Principal, Fault> {
    let mut principal = Principal::root(account);
    let arn = arn.map_or_else(|| format!("arn:aws:iam::{account}:user/simulated"), Text::to_string);
    let invalid = || {
        let message = format!("{arn} is not the ARN of a user, a role's session or an account's root.");
        faults::INVALID_INPUT_EXCEPTION.because(message)
    };
    principal.account = arn.split(':').nth(4).filter(|account| account.len() == 12).ok_or_else(invalid)?.into();
    principal.kind = PrincipalKind::of_arn(&arn, None).ok_or_else(invalid)?;
    principal.arn = arn.into();
    Ok(principal)
}

pub fn simulate_custom_policy(
    _: &Iam,
    caller: &Caller,
    input: SimulateCustomPolicyRequest,
) -> Result<SimulatePolicyResponse, Fault> {
    let account = &*caller.scope.account;
    let simulation = Simulation {
        principal: caller_of(account, input.caller_arn.as_ref())?,
        named: listed("PolicyInputList", Some(&input.policy_input_list))?,
        boundary: boundary(input.permissions_boundary_policy_input_list.as_ref())?,
        resource_policy: input.resource_policy.as_ref().map(compiled).transpose()?,
        owner: owner(account, input.resource_owner.as_ref()),
        actions: input.action_names,
        resources: input.resource_arns.unwrap_or_default(),
        context: context(input.context_entries),
    };
    Ok(simulation.answer())
}

pub fn simulate_principal_policy(
    iam: &Iam,
    caller: &Caller,
    input: SimulatePrincipalPolicyRequest,
) -> Result<SimulatePolicyResponse, Fault> {
    let account = &*caller.scope.account;
    let source = source(account, &input.policy_source_arn)?;
    let kept = millrace_access::Authorizer::new(iam.identities.clone()).policies(&source)?;
    let mut named: Vec<(String, Arc<CompiledPolicy>)> = kept
        .identity
        .iter()
        .enumerate()
        .map(|(at, policy)| (format!("IdentityPolicy.{}", at + 1), policy.clone()))
        .collect();
    named.extend(listed("PolicyInputList", input.policy_input_list.as_ref())?);
    let principal = match &input.caller_arn {
        Some(arn) => caller_of(account, Some(arn))?,
        None => source,
    };
    let simulation = Simulation {
        principal,
        named,
        boundary: boundary(input.permissions_boundary_policy_input_list.as_ref())?.or_else(|| kept.boundary.clone()),
        resource_policy: input.resource_policy.as_ref().map(compiled).transpose()?,
        owner: owner(account, input.resource_owner.as_ref()),
        actions: input.action_names,
        resources: input.resource_arns.unwrap_or_default(),
        context: context(input.context_entries),
    };
    Ok(simulation.answer())
}

/// The account of a resource's owner, which is given as an ARN of it.
fn owner(account: &str, given: Option<&Text>) -> String {
    given.and_then(|arn| arn.split(':').nth(4)).unwrap_or(account).to_owned()
}

/// The user or role whose policies are asked.
fn source(account: &str, arn: &Text) -> Result<Principal, Fault> {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let name = resource.rsplit('/').next().unwrap_or_default();
    let mut principal = Principal::root(account);
    principal.arn = arn.as_str().into();
    principal.kind = match resource.split_once('/') {
        Some(("user", _)) => PrincipalKind::User { name: name.into() },
        Some(("role", _)) => {
            let arn = principal.arn.clone();
            PrincipalKind::Role { arn, name: name.into(), session: "simulated".into() }
        }
        _ => {
            let message = format!("{arn} is not the ARN of a user or a role: groups cannot be simulated yet.");
            return Err(faults::INVALID_INPUT_EXCEPTION.because(message));
        }
    };
    Ok(principal)
}

impl Simulation {
    fn answer(&self) -> SimulatePolicyResponse {
        let everything = [Text::from_static("*")];
        let resources = if self.resources.is_empty() { &everything[..] } else { &self.resources };
        let policies = PolicySet {
            identity: self.named.iter().map(|(_, policy)| policy.clone()).collect(),
            boundary: self.boundary.clone(),
            session: None,
        };
        let each =
            |action: &Text| resources.iter().map(|resource| self.one(&policies, action, resource)).collect::<Vec<_>>();
        let results = self.actions.iter().flat_map(each).collect();
        SimulatePolicyResponse { evaluation_results: Some(results), is_truncated: Some(false), marker: None }
    }

    fn one(&self, policies: &PolicySet, action: &Text, resource: &Text) -> EvaluationResult {
        let lower = action.to_ascii_lowercase();
        let owner = resource.split(':').nth(4).filter(|account| !account.is_empty());
        let request = Request {
            principal: &self.principal,
            lower_action: &lower,
            resource,
            owner: owner.unwrap_or(&self.owner),
            context: &self.context,
        };
        let own = self.resource_policy.as_deref();
        let decision = decide(&request, policies, own, Rule::MayAllow, PolicyKind::Resource);
        let matched = self.named.iter().map(|(name, policy)| (name.as_str(), policy));
        let matched = matched.chain(self.resource_policy.iter().map(|policy| ("ResourcePolicy", policy)));
        let matched = matched.filter(|(_, policy)| !policy.matching(&request).is_empty());
        let bounded = self.boundary.as_ref().map(|boundary| {
            let said = boundary.matching(&request);
            let forbids = said.iter().any(|(_, effect)| *effect == millrace_access::Effect::Deny);
            PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(!said.is_empty() && !forbids) }
        });
        EvaluationResult {
            eval_action_name: action.clone(),
            eval_resource_name: Some(resource.clone()),
            eval_decision: match decision {
                Decision::Allowed => Text::from_static("allowed"),
                Decision::Denied(Denial { explicit: true, .. }) => Text::from_static("explicitDeny"),
                Decision::Denied(_) => Text::from_static("implicitDeny"),
            },
            matched_statements: Some(
                matched.map(|(name, _)| Statement { source_policy_id: Some(name.into()) }).collect(),
            ),
            permissions_boundary_decision_detail: bounded,
            eval_decision_details: None,
        }
    }
}
