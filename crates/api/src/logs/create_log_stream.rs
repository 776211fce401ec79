//! CreateLogStream.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::CreateLogStreamRequest;
use crate::wire::Fault;

pub fn call(service: &CloudWatchLogs, caller: &Caller, input: CreateLogStreamRequest) -> Result<(), Fault> {
    Ok(service.logs.create_stream(&group(caller, &input.log_group_name), &input.log_stream_name)?)
}
