//! Tags of groups, by ARN and, in the older operations, by name.

use super::{CloudWatchLogs, group, of_identifier};
use crate::http::Caller;
use crate::models::logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest, ListTagsLogGroupResponse,
    TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest, UntagResourceRequest, faults,
};
use crate::wire::{Fault, Text};
use millrace_watch::GroupKey;
use std::collections::BTreeMap;

/// AWS's ceiling for one group.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<Text, Text>;

pub fn tag_resource(service: &CloudWatchLogs, caller: &Caller, input: TagResourceRequest) -> Result<(), Fault> {
    add(service, &of_identifier(caller, &input.resource_arn)?, &input.tags)
}

pub fn untag_resource(service: &CloudWatchLogs, caller: &Caller, input: UntagResourceRequest) -> Result<(), Fault> {
    remove(service, &of_identifier(caller, &input.resource_arn)?, &input.tag_keys)
}

pub fn list_tags_for_resource(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Fault> {
    Ok(ListTagsForResourceResponse { tags: Some(all(service, &of_identifier(caller, &input.resource_arn)?)?) })
}

pub fn tag_log_group(service: &CloudWatchLogs, caller: &Caller, input: TagLogGroupRequest) -> Result<(), Fault> {
    add(service, &group(caller, &input.log_group_name), &input.tags)
}

pub fn untag_log_group(service: &CloudWatchLogs, caller: &Caller, input: UntagLogGroupRequest) -> Result<(), Fault> {
    remove(service, &group(caller, &input.log_group_name), &input.tags)
}

pub fn list_tags_log_group(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Fault> {
    Ok(ListTagsLogGroupResponse { tags: Some(all(service, &group(caller, &input.log_group_name))?) })
}

fn add(service: &CloudWatchLogs, key: &GroupKey, added: &Tags) -> Result<(), Fault> {
    let mut before = service.logs.group(key)?.tags;
    before.extend(added.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    if before.len() > TAGS_MAX {
        return Err(faults::TOO_MANY_TAGS_EXCEPTION
            .because(format!("A resource can have no more than {TAGS_MAX} tags, not {}.", before.len())));
    }
    Ok(service.logs.change_tags(key, |tags| {
        tags.extend(added.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    })?)
}

fn remove(service: &CloudWatchLogs, key: &GroupKey, removed: &[Text]) -> Result<(), Fault> {
    Ok(service.logs.change_tags(key, |tags| tags.retain(|key, _| !removed.iter().any(|gone| gone.as_str() == key)))?)
}

fn all(service: &CloudWatchLogs, key: &GroupKey) -> Result<Tags, Fault> {
    let tags = service.logs.group(key)?.tags;
    Ok(tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}
