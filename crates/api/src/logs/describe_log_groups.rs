//! DescribeLogGroups: in order of name, by a beginning or a part of it.

use super::{CloudWatchLogs, group, group_arn, of_identifier};
use crate::http::Caller;
use crate::models::logs::{DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroup, faults};
use crate::wire::{Fault, Text};
use millrace_watch::GroupInfo;

/// AWS's page.
const PAGE: usize = 50;

pub fn call(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Fault> {
    let (prefix, pattern) = (input.log_group_name_prefix.as_deref(), input.log_group_name_pattern.as_deref());
    if prefix.is_some() && pattern.is_some() {
        return Err(faults::INVALID_PARAMETER_EXCEPTION
            .because("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
    }
    if input.log_group_class.is_some_and(|class| class.as_str() != "STANDARD") {
        return Ok(DescribeLogGroupsResponse { log_groups: Some(Vec::new()), next_token: None });
    }
    let named: Option<Vec<_>> = input
        .log_group_identifiers
        .map(|all| all.iter().map(|identifier| of_identifier(caller, identifier)).collect::<Result<_, _>>())
        .transpose()?;
    let after = input.next_token.as_deref();
    let wanted = |name: &str| {
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|pattern| name.to_lowercase().contains(&pattern.to_lowercase()))
            && named.as_ref().is_none_or(|named| named.iter().any(|key| &*key.name == name))
            && after.is_none_or(|after| name > after)
    };
    let mut groups = service.logs.groups(&caller.scope, wanted);
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
    let has_more = groups.len() > max;
    groups.truncate(max);
    let next_token = groups.last().filter(|_| has_more).map(|last| Text::from(&*last.name));
    let log_groups = groups.into_iter().map(|info| shown(caller, info)).collect();
    Ok(DescribeLogGroupsResponse { log_groups: Some(log_groups), next_token })
}

fn shown(caller: &Caller, info: GroupInfo) -> LogGroup {
    let arn = group_arn(&group(caller, &info.name));
    LogGroup {
        log_group_name: Some((*info.name).into()),
        creation_time: Some(info.created),
        retention_in_days: info.retention_days.and_then(|days| days.try_into().ok()),
        arn: Some(format!("{arn}:*").into()),
        stored_bytes: Some(info.stored_bytes.try_into().unwrap_or(i64::MAX)),
        log_group_class: Some(Text::from_static("STANDARD")),
        log_group_arn: Some(arn.into()),
    }
}
