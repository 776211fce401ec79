//! DeleteLogStream, with all that is in it.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::DeleteLogStreamRequest;
use crate::wire::Fault;

pub fn call(service: &CloudWatchLogs, caller: &Caller, input: DeleteLogStreamRequest) -> Result<(), Fault> {
    Ok(service.logs.delete_stream(&group(caller, &input.log_group_name), &input.log_stream_name)?)
}
