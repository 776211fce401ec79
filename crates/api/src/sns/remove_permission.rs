//! RemovePermission: a statement less in a topic's policy.

use super::{Sns, topic};
use crate::http::Caller;
use crate::models::sns::RemovePermissionInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: RemovePermissionInput) -> Result<(), Fault> {
    Ok(sns.topics.remove_permission(&topic(&input.topic_arn)?, &input.label)?)
}
