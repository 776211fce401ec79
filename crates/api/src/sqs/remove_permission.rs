//! RemovePermission: takes a statement out of the queue's policy.

use super::Door;
use super::add_permission::{keep, no_label, policy, statements};
use crate::http::Caller;
use crate::models::sqs::RemovePermissionRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: RemovePermissionRequest) -> Result<(), Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    let mut policy = policy(door, &key)?;
    let statements = statements(&mut policy);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != input.label.as_str());
    if statements.len() == before {
        return Err(no_label(&input.label));
    }
    keep(door, &key, policy)
}
