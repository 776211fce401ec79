//! AddPermission: a statement in the queue's policy.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::AddPermissionRequest;
use crate::wire::{Fault, Text};
use millrace_queue::{QueueError, QueueKey};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a policy may allow others to do.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

pub fn call(door: &Door, caller: &Caller, input: AddPermissionRequest) -> Result<(), Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    if input.actions.is_empty() {
        return Err(QueueError::MissingParameter("Actions").into());
    }
    if input.aws_account_ids.is_empty() {
        return Err(QueueError::MissingParameter("PrincipalId").into());
    }
    if let Some(action) = input.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let reason =
            format!("Only the queue owner is allowed to invoke this action: use one of {}.", ACTIONS.join(", "));
        return Err(QueueError::invalid(format!("SQS:{action}"), "ActionName", reason).into());
    }
    let mut policy = policy(door, &key)?;
    let statements = statements(&mut policy);
    if statements.iter().any(|statement| statement["Sid"] == input.label.as_str()) {
        return Err(QueueError::invalid(&input.label, "Label", "Already exists.").into());
    }
    let principals = input.aws_account_ids.iter().map(|id| format!("arn:aws:iam::{id}:root")).collect();
    let actions = input.actions.iter().map(|action| format!("SQS:{action}")).collect();
    statements.push(json!({
        "Sid": input.label.as_str(),
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(principals) },
        "Action": one_or_many(actions),
        "Resource": key.arn().to_string(),
    }));
    keep(door, &key, policy)
}

/// The queue's policy, or the one that AWS begins with.
pub fn policy(door: &Door, key: &QueueKey) -> Result<Map<String, Value>, Fault> {
    let info = door.queues.queue(key)?;
    let kept = info.settings.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(kept.unwrap_or_else(|| {
        let id = format!("{}/SQSDefaultPolicy", key.arn());
        [("Version".to_owned(), json!("2008-10-17")), ("Id".to_owned(), json!(id))].into_iter().collect()
    }))
}

/// The policy's statements, one or many, as a list.
pub fn statements(policy: &mut Map<String, Value>) -> &mut Vec<Value> {
    let statements = policy.entry("Statement").or_insert_with(|| json!([]));
    if !statements.is_array() {
        *statements = json!([statements.take()]);
    }
    match statements {
        Value::Array(list) => list,
        _ => unreachable!("it was made a list just now"),
    }
}

/// Keeps a policy; one without statements is none.
pub fn keep(door: &Door, key: &QueueKey, mut policy: Map<String, Value>) -> Result<(), Fault> {
    let is_empty = statements(&mut policy).is_empty();
    let text = if is_empty { String::new() } else { Value::Object(policy).to_string() };
    Ok(door.queues.set_attributes(key, &BTreeMap::from([("Policy".to_owned(), text)]))?)
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { json!(texts.remove(0)) } else { json!(texts) }
}

/// The error for a label that no statement has.
pub fn no_label(label: &Text) -> Fault {
    QueueError::invalid(label, "Label", "can't find label on existing policy.").into()
}
