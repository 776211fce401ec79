//! AddPermission: a statement more in a topic's policy.

use super::{Sns, topic};
use crate::http::Caller;
use crate::models::sns::AddPermissionInput;
use crate::wire::Fault;
use millrace_queue::sns::Permission;

pub fn call(sns: &Sns, _: &Caller, input: AddPermissionInput) -> Result<(), Fault> {
    let permission = Permission {
        label: input.label.to_string(),
        accounts: input.aws_account_id.iter().map(ToString::to_string).collect(),
        actions: input.action_name.iter().map(ToString::to_string).collect(),
    };
    Ok(sns.topics.add_permission(&topic(&input.topic_arn)?, &permission)?)
}
