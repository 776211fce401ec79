//! Tags of dashboards, by ARN: TagResource, UntagResource, ListTagsForResource.

use super::CloudWatch;
use super::dashboards::map;
use crate::http::Caller;
use crate::models::cloudwatch::{
    ListTagsForResourceInput, ListTagsForResourceOutput, Tag, TagResourceInput, TagResourceOutput, UntagResourceInput,
    UntagResourceOutput, faults,
};
use crate::wire::Fault;
use millrace_base::Arn;

/// AWS's ceiling for one resource.
const TAGS_MAX: usize = 50;

pub fn tag(service: &CloudWatch, caller: &Caller, input: TagResourceInput) -> Result<TagResourceOutput, Fault> {
    let name = dashboard(caller, &input.resource_arn)?;
    let mut all = service.dashboards.get(&caller.scope, &name)?.tags;
    all.extend(map(&input.tags));
    if all.len() > TAGS_MAX {
        return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("A resource can have no more than {TAGS_MAX} tags, not {}.", all.len())));
    }
    service.dashboards.change_tags(&caller.scope, &name, |tags| tags.extend(map(&input.tags)))?;
    Ok(TagResourceOutput {})
}

pub fn untag(service: &CloudWatch, caller: &Caller, input: UntagResourceInput) -> Result<UntagResourceOutput, Fault> {
    let name = dashboard(caller, &input.resource_arn)?;
    let is_gone = |key: &str| input.tag_keys.iter().any(|gone| **gone == *key);
    service.dashboards.change_tags(&caller.scope, &name, |tags| tags.retain(|key, _| !is_gone(key)))?;
    Ok(UntagResourceOutput {})
}

pub fn list(
    service: &CloudWatch,
    caller: &Caller,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Fault> {
    let name = dashboard(caller, &input.resource_arn)?;
    let tags = service.dashboards.get(&caller.scope, &name)?.tags;
    let tags = tags.into_iter().map(|(key, value)| Tag { key: key.into(), value: value.into() });
    Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
}

/// The dashboard that an ARN names.
fn dashboard(caller: &Caller, text: &str) -> Result<String, Fault> {
    let absent = || {
        let fault = faults::RESOURCE_NOT_FOUND_EXCEPTION.because(format!("There is no resource '{text}'."));
        fault.with("ResourceType", "dashboard").with("ResourceId", text)
    };
    let arn: Arn = text.parse().map_err(|_| {
        faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("'{text}' is not the ARN of a dashboard or an alarm."))
    })?;
    let is_own = *arn.service == *"cloudwatch" && arn.scope.account == caller.scope.account;
    arn.resource.strip_prefix("dashboard/").filter(|_| is_own).map(str::to_owned).ok_or_else(absent)
}
