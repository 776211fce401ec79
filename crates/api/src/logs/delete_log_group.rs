//! DeleteLogGroup, with all that is in it.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::DeleteLogGroupRequest;
use crate::wire::Fault;

pub fn call(service: &CloudWatchLogs, caller: &Caller, input: DeleteLogGroupRequest) -> Result<(), Fault> {
    Ok(service.logs.delete_group(&group(caller, &input.log_group_name))?)
}
