//! CloudWatch Logs over [`Logs`]: what `aws logs tail` and everybody's log viewer speak.

mod create_log_group;
mod create_log_stream;
mod delete_log_group;
mod delete_log_stream;
mod describe_log_groups;
mod describe_log_streams;
mod filter_log_events;
mod get_log_events;
mod put_log_events;
mod retention;
mod tags;
mod token;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::logs::{MODEL, faults};
use crate::wire::{Fault, Model, Text, kinds};
use async_trait::async_trait;
use millrace_base::{Arn, Clock};
use millrace_watch::{FilterPatternError, GroupKey, Logs, LogsError};
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct CloudWatchLogs {
    logs: Logs,
    clock: Arc<dyn Clock>,
}

impl CloudWatchLogs {
    /// The service over `logs`.
    pub fn new(logs: Logs, clock: Arc<dyn Clock>) -> Self {
        Self { logs, clock }
    }
}

#[async_trait]
impl Service for CloudWatchLogs {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    fn reword(&self, mut fault: Fault) -> Fault {
        if fault.kind == kinds::VALIDATION {
            fault.kind = faults::INVALID_PARAMETER_EXCEPTION;
        }
        fault
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateLogGroup" => blocking(self, call, create_log_group::call).await,
            "CreateLogStream" => blocking(self, call, create_log_stream::call).await,
            "DeleteLogGroup" => blocking(self, call, delete_log_group::call).await,
            "DeleteLogStream" => blocking(self, call, delete_log_stream::call).await,
            "DescribeLogGroups" => blocking(self, call, describe_log_groups::call).await,
            "DescribeLogStreams" => blocking(self, call, describe_log_streams::call).await,
            "FilterLogEvents" => blocking(self, call, filter_log_events::call).await,
            "GetLogEvents" => blocking(self, call, get_log_events::call).await,
            "PutLogEvents" => blocking(self, call, put_log_events::call).await,
            "PutRetentionPolicy" => blocking(self, call, retention::put).await,
            "DeleteRetentionPolicy" => blocking(self, call, retention::delete).await,
            "TagResource" => blocking(self, call, tags::tag_resource).await,
            "UntagResource" => blocking(self, call, tags::untag_resource).await,
            "ListTagsForResource" => blocking(self, call, tags::list_tags_for_resource).await,
            "TagLogGroup" => blocking(self, call, tags::tag_log_group).await,
            "UntagLogGroup" => blocking(self, call, tags::untag_log_group).await,
            "ListTagsLogGroup" => blocking(self, call, tags::list_tags_log_group).await,
            _ => Err(call.unsupported("logs")),
        }
    }
}

/// A group of the caller's by its name.
fn group(caller: &Caller, name: &str) -> GroupKey {
    GroupKey { scope: caller.scope.clone(), name: name.into() }
}

/// A group by its name or by its identifier, which is a name or an ARN: exactly one of the two is given.
fn identified(caller: &Caller, name: Option<&Text>, identifier: Option<&Text>) -> Result<GroupKey, Fault> {
    match (name, identifier) {
        (Some(name), None) => Ok(group(caller, name)),
        (None, Some(identifier)) => of_identifier(caller, identifier),
        _ => Err(faults::INVALID_PARAMETER_EXCEPTION
            .because("Exactly one of logGroupName and logGroupIdentifier must be given.")),
    }
}

/// `NAME`, `arn:aws:logs:REGION:ACCOUNT:log-group:NAME` or the same with `:*`.
fn of_identifier(caller: &Caller, identifier: &str) -> Result<GroupKey, Fault> {
    let Ok(arn) = identifier.parse::<Arn>() else { return Ok(group(caller, identifier)) };
    let name = arn.resource.strip_prefix("log-group:").map(|name| name.strip_suffix(":*").unwrap_or(name));
    match name {
        // Another account's groups are as good as absent.
        Some(name) if arn.scope == caller.scope => Ok(group(caller, name)),
        Some(_) => Err(LogsError::NoGroup.into()),
        None => {
            Err(faults::INVALID_PARAMETER_EXCEPTION.because(format!("'{identifier}' is not the ARN of a log group.")))
        }
    }
}

fn group_arn(key: &GroupKey) -> String {
    key.scope.arn("logs", &format!("log-group:{}", key.name)).to_string()
}

impl From<LogsError> for Fault {
    fn from(error: LogsError) -> Self {
        let message = error.to_string();
        let kind = match error {
            LogsError::NoGroup | LogsError::NoStream => faults::RESOURCE_NOT_FOUND_EXCEPTION,
            LogsError::GroupExists | LogsError::StreamExists => faults::RESOURCE_ALREADY_EXISTS_EXCEPTION,
            LogsError::Invalid(_) => faults::INVALID_PARAMETER_EXCEPTION,
            LogsError::Busy | LogsError::Catalog(_) | LogsError::Disk { .. } => faults::SERVICE_UNAVAILABLE_EXCEPTION,
        };
        kind.because(message)
    }
}

impl From<FilterPatternError> for Fault {
    fn from(error: FilterPatternError) -> Self {
        faults::INVALID_PARAMETER_EXCEPTION.because(error.to_string())
    }
}
