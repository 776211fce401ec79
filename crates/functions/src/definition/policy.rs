//! Resource policies: who may invoke, as AWS writes it down.
//!
//! Policies are kept and shown; nothing is refused by them yet.

use super::input::AddPermission;
use super::name::{FunctionRef, LATEST};
use super::record::PolicyRecord;
use super::{Functions, FunctionsError, not_found};
use millrace_base::Scope;
use serde_json::{Map, Value, json};

/// AWS's ceiling for a policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;
const STALE_REVISION: &str = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to \
                              retrieve the latest Revision Id";

/// A policy as `GetPolicy` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The policy's JSON.
    pub policy: String,
    /// Its revision.
    pub revision_id: String,
}

impl Functions {
    /// `AddPermission`. Gives the statement's JSON.
    pub fn add_permission(&self, scope: &Scope, input: AddPermission) -> Result<String, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, input.qualifier.as_deref())?;
        let statement = statement(&reference, &input);
        let json = statement.to_string();
        self.change(&reference, |record| {
            if record.qualified(reference.qualifier.as_deref()).is_none() {
                return Err(not_found(&reference.arn()));
            }
            if reference.qualifier.as_deref() == Some(LATEST) {
                return Err(FunctionsError::invalid("We currently do not support adding policies for $LATEST."));
            }
            let policy = record.policies.entry(place(&reference)).or_default();
            check_revision(policy, input.revision_id.as_deref())?;
            if policy.statements.iter().any(|other| other["Sid"] == input.statement_id.as_str()) {
                return Err(FunctionsError::ResourceConflict(format!(
                    "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                     existing statement.",
                    input.statement_id
                )));
            }
            policy.statements.push(statement);
            policy.revision_id = self.shared.parts.dice.uuid();
            let bytes = document(policy).len();
            if bytes > POLICY_BYTES_MAX {
                return Err(FunctionsError::invalid(format!(
                    "The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX})."
                )));
            }
            Ok(json)
        })
    }

    /// `RemovePermission`.
    pub fn remove_permission(
        &self,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
        statement_id: &str,
        revision: Option<&str>,
    ) -> Result<(), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        self.change(&reference, |record| {
            let place = place(&reference);
            let policy = record.policies.get_mut(&place).ok_or_else(no_policy)?;
            check_revision(policy, revision)?;
            let before = policy.statements.len();
            policy.statements.retain(|statement| statement["Sid"] != statement_id);
            if policy.statements.len() == before {
                return Err(FunctionsError::ResourceNotFound(format!(
                    "Statement {statement_id} is not found in resource policy."
                )));
            }
            policy.revision_id = self.shared.parts.dice.uuid();
            if policy.statements.is_empty() {
                record.policies.remove(&place);
            }
            Ok(())
        })
    }

    /// `GetPolicy`.
    pub fn policy(&self, scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<Policy, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        let known = self.find(&reference)?;
        let policy = known.record.policies.get(&place(&reference)).ok_or_else(no_policy)?;
        Ok(Policy { policy: document(policy), revision_id: policy.revision_id.clone() })
    }
}

fn place(reference: &FunctionRef) -> String {
    reference.qualifier.clone().unwrap_or_default()
}

fn no_policy() -> FunctionsError {
    FunctionsError::ResourceNotFound("The resource you requested does not exist.".to_owned())
}

fn check_revision(policy: &PolicyRecord, given: Option<&str>) -> Result<(), FunctionsError> {
    match given {
        Some(given) if given != policy.revision_id => {
            Err(FunctionsError::PreconditionFailed(STALE_REVISION.to_owned()))
        }
        _ => Ok(()),
    }
}

fn document(policy: &PolicyRecord) -> String {
    json!({"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}).to_string()
}

fn statement(reference: &FunctionRef, input: &AddPermission) -> Value {
    let mut statement = json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": principal(&input.principal),
        "Action": input.action,
        "Resource": reference.arn(),
    });
    let equals = [
        ("AWS:SourceAccount", &input.source_account),
        ("lambda:EventSourceToken", &input.event_source_token),
        ("aws:PrincipalOrgID", &input.principal_org_id),
    ];
    let equals: Map<String, Value> =
        equals.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))).collect();
    let mut condition = Map::new();
    if !equals.is_empty() {
        condition.insert("StringEquals".to_owned(), Value::Object(equals));
    }
    if let Some(arn) = &input.source_arn {
        condition.insert("ArnLike".to_owned(), json!({"AWS:SourceArn": arn}));
    }
    if !condition.is_empty() {
        statement["Condition"] = Value::Object(condition);
    }
    statement
}

fn principal(given: &str) -> Value {
    let is_account = given.len() == 12 && given.bytes().all(|byte| byte.is_ascii_digit());
    match given {
        "*" => json!("*"),
        account if is_account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
        arn if arn.starts_with("arn:") => json!({"AWS": arn}),
        service => json!({"Service": service}),
    }
}
