//! Decisions over what IAM keeps: finds an identity's policies, reads each document once, and remembers both until IAM changes.

use super::{CompiledPolicy, Context, Decision, PolicyKind, PolicySet, Request, Rule, decide};
use crate::{Identities, IdentityError, Principal, PrincipalKind};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// How many identities, and how many documents, are remembered. Both are forgotten together when there are more, which costs
/// one reading of the catalog each.
const REMEMBERED_MAX: usize = 4096;

/// Decides every call of every service. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Authorizer {
    identities: Identities,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// The state of IAM that `sets` was read from.
    generation: u64,
    sets: HashMap<String, Arc<PolicySet>>,
    documents: HashMap<String, Arc<CompiledPolicy>>,
}

/// One question: may this principal do this to that?
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// For example `kinesis:PutRecord`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for an action that has none.
    pub resource: &'a str,
    /// The account that the resource belongs to.
    pub owner: &'a str,
    /// The values of condition keys.
    pub context: &'a dyn Context,
    /// The resource's own policy, as JSON.
    pub policy: Option<&'a str>,
    /// What that policy has to say.
    pub rule: Rule,
}

impl Authorizer {
    /// Decides by the policies in `identities`.
    pub fn new(identities: Identities) -> Self {
        Self { identities, memory: Arc::default() }
    }

    /// Whose policies it decides by.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Decides. Fails only when the store does, and then nothing is allowed.
    pub fn decide(&self, question: &Question<'_>) -> Result<Decision, IdentityError> {
        let Question { principal, action, resource, owner, context, policy, rule } = *question;
        let policies = self.policies(principal)?;
        let policy = policy.map(|document| self.compiled(document));
        let request = Request { principal, lower_action: &action.to_ascii_lowercase(), resource, owner, context };
        let kind = if rule == Rule::MustAllow && action == "sts:AssumeRole" {
            PolicyKind::Trust
        } else {
            PolicyKind::Resource
        };
        Ok(decide(&request, &policies, policy.as_deref(), rule, kind))
    }

    /// Decides, and puts a denial into AWS's words.
    pub fn check(&self, question: &Question<'_>) -> Result<(), IdentityError> {
        match self.decide(question)? {
            Decision::Allowed => Ok(()),
            Decision::Denied(denial) => {
                let Question { principal, action, resource, .. } = question;
                Err(IdentityError::AccessDenied(denial.message(&principal.arn, action, resource)))
            }
        }
    }

    /// All policies of an identity.
    pub fn policies(&self, principal: &Principal) -> Result<Arc<PolicySet>, IdentityError> {
        let Some(key) = remembered_as(principal) else { return Ok(Arc::default()) };
        // Taken before the policies are read: a change in between is seen at the next question.
        let generation = self.identities.generation();
        {
            let mut memory = self.memory.lock();
            if memory.generation != generation || memory.sets.len() > REMEMBERED_MAX {
                memory.sets.clear();
                memory.generation = generation;
            }
            if let Some(set) = memory.sets.get(&key) {
                return Ok(set.clone());
            }
        }
        let set = Arc::new(self.read(principal)?);
        let mut memory = self.memory.lock();
        if memory.generation == generation {
            memory.sets.insert(key, set.clone());
        }
        Ok(set)
    }

    fn read(&self, principal: &Principal) -> Result<PolicySet, IdentityError> {
        let account = &*principal.account;
        let mut documents: Vec<String> = Vec::new();
        let mut attached: Vec<String> = Vec::new();
        let mut boundary = None;
        match &principal.kind {
            PrincipalKind::User { name } => {
                let user = self.identities.user(account, name)?;
                documents.extend(user.inline.into_values());
                attached.extend(user.attached);
                boundary = user.boundary;
                for group in self.identities.groups_of(account, name)? {
                    documents.extend(group.inline.into_values());
                    attached.extend(group.attached);
                }
            }
            PrincipalKind::Role { name, .. } => {
                let role = self.identities.role(account, name)?;
                documents.extend(role.inline.into_values());
                attached.extend(role.attached);
                boundary = role.boundary;
            }
            PrincipalKind::Root | PrincipalKind::Service(_) | PrincipalKind::Anonymous => {}
        }
        for arn in attached {
            documents.extend(self.identities.managed(account, &arn)?);
        }
        let boundary = match boundary {
            // A boundary that is not there bounds everything.
            Some(arn) => {
                Some(self.identities.managed(account, &arn)?.map_or_else(Arc::default, |text| self.compiled(&text)))
            }
            None => None,
        };
        let compile = |documents: &[String]| documents.iter().map(|text| self.compiled(text)).collect();
        Ok(PolicySet {
            identity: compile(&documents),
            boundary,
            session: principal.session.as_ref().map(|limits| compile(&limits.policies)),
        })
    }

    /// A document, read once. One that cannot be read forbids everything: what it was to forbid is not known.
    fn compiled(&self, document: &str) -> Arc<CompiledPolicy> {
        if let Some(known) = self.memory.lock().documents.get(document) {
            return known.clone();
        }
        let read = CompiledPolicy::new(document).unwrap_or_else(|_| CompiledPolicy::forbidding());
        let read = Arc::new(read);
        let mut memory = self.memory.lock();
        if memory.documents.len() >= REMEMBERED_MAX {
            memory.documents.clear();
        }
        memory.documents.insert(document.to_owned(), read.clone());
        read
    }
}

/// What an identity's policies are remembered under; nothing for one that has none.
fn remembered_as(principal: &Principal) -> Option<String> {
    let account = &principal.account;
    let limits = principal.session.as_ref().map(|limits| limits.policies.join("\n")).unwrap_or_default();
    match &principal.kind {
        PrincipalKind::User { name } => Some(format!("{account}/user/{name}\n{limits}")),
        PrincipalKind::Role { name, .. } => Some(format!("{account}/role/{name}\n{limits}")),
        PrincipalKind::Root if principal.session.is_some() => Some(format!("{account}/root\n{limits}")),
        PrincipalKind::Root | PrincipalKind::Service(_) | PrincipalKind::Anonymous => None,
    }
}
