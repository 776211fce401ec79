//! PutRetentionPolicy and DeleteRetentionPolicy.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::{DeleteRetentionPolicyRequest, PutRetentionPolicyRequest};
use crate::wire::Fault;

pub fn put(service: &CloudWatchLogs, caller: &Caller, input: PutRetentionPolicyRequest) -> Result<(), Fault> {
    let days = u32::try_from(input.retention_in_days).unwrap_or(0);
    Ok(service.logs.set_retention(&group(caller, &input.log_group_name), Some(days))?)
}

pub fn delete(service: &CloudWatchLogs, caller: &Caller, input: DeleteRetentionPolicyRequest) -> Result<(), Fault> {
    Ok(service.logs.set_retention(&group(caller, &input.log_group_name), None)?)
}
