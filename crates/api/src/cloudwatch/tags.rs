//! Tags of dashboards, alarms and mute rules, by ARN: TagResource, UntagResource, ListTagsForResource.

use super::CloudWatch;
use super::dashboards::map;
use crate::http::Caller;
use crate::models::cloudwatch::{
    ListTagsForResourceInput, ListTagsForResourceOutput, Tag, TagResourceInput, TagResourceOutput, UntagResourceInput,
    UntagResourceOutput, faults,
};
use crate::wire::Fault;
use millrace_base::Arn;
use millrace_watch::alarms::AlarmError;
use std::collections::BTreeMap;

/// AWS's ceiling for one resource.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<String, String>;

/// What has tags.
enum Tagged {
    Dashboard(String),
    Alarm(String),
    MuteRule(String),
}

pub fn tag(service: &CloudWatch, caller: &Caller, input: TagResourceInput) -> Result<TagResourceOutput, Fault> {
    let tagged = tagged(caller, &input.resource_arn)?;
    let mut all = tags(service, caller, &tagged)?;
    all.extend(map(&input.tags));
    if all.len() > TAGS_MAX {
        return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("A resource can have no more than {TAGS_MAX} tags, not {}.", all.len())));
    }
    change(service, caller, &tagged, |tags| tags.extend(map(&input.tags)))?;
    Ok(TagResourceOutput {})
}

pub fn untag(service: &CloudWatch, caller: &Caller, input: UntagResourceInput) -> Result<UntagResourceOutput, Fault> {
    let tagged = tagged(caller, &input.resource_arn)?;
    let is_gone = |key: &str| input.tag_keys.iter().any(|gone| **gone == *key);
    change(service, caller, &tagged, |tags| tags.retain(|key, _| !is_gone(key)))?;
    Ok(UntagResourceOutput {})
}

pub fn list(
    service: &CloudWatch,
    caller: &Caller,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Fault> {
    let tagged = tagged(caller, &input.resource_arn)?;
    let tags = match tags(service, caller, &tagged) {
        // An alarm that is not there has no tags, as on AWS.
        Err(_) if matches!(tagged, Tagged::Alarm(_)) => Tags::new(),
        found => found?,
    };
    let tags = tags.into_iter().map(|(key, value)| Tag { key: key.into(), value: value.into() });
    Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
}

fn tags(service: &CloudWatch, caller: &Caller, tagged: &Tagged) -> Result<Tags, Fault> {
    Ok(match tagged {
        Tagged::Dashboard(name) => service.dashboards.get(&caller.scope, name)?.tags,
        Tagged::Alarm(name) => service.alarms.get(&caller.scope, name).map_err(absent_alarm)?.tags,
        Tagged::MuteRule(name) => service.alarms.mute(&caller.scope, name).map_err(absent_alarm)?.0.tags,
    })
}

fn change(service: &CloudWatch, caller: &Caller, tagged: &Tagged, change: impl FnOnce(&mut Tags)) -> Result<(), Fault> {
    match tagged {
        Tagged::Dashboard(name) => service.dashboards.change_tags(&caller.scope, name, change)?,
        Tagged::Alarm(name) => service.alarms.change_tags(&caller.scope, name, change).map_err(absent_alarm)?,
        Tagged::MuteRule(name) => service.alarms.change_mute_tags(&caller.scope, name, change).map_err(absent_alarm)?,
    }
    Ok(())
}

/// Operations on tags have an error of their own for what is not there.
fn absent_alarm(error: AlarmError) -> Fault {
    match error {
        AlarmError::NotFound(message) => {
            faults::RESOURCE_NOT_FOUND_EXCEPTION.because(message).with("ResourceType", "alarm")
        }
        other => other.into(),
    }
}

/// What an ARN names.
fn tagged(caller: &Caller, text: &str) -> Result<Tagged, Fault> {
    let absent = || {
        let fault = faults::RESOURCE_NOT_FOUND_EXCEPTION.because(format!("There is no resource '{text}'."));
        fault.with("ResourceType", "dashboard").with("ResourceId", text)
    };
    let arn: Arn = text.parse().map_err(|_| {
        faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("'{text}' is not the ARN of a dashboard or an alarm."))
    })?;
    if *arn.service != *"cloudwatch" || arn.scope.account != caller.scope.account {
        return Err(absent());
    }
    match arn.resource.split_once([':', '/']) {
        Some(("dashboard", name)) => Ok(Tagged::Dashboard(name.to_owned())),
        Some(("alarm-mute-rule", name)) if arn.scope == caller.scope => Ok(Tagged::MuteRule(name.to_owned())),
        Some(("alarm", name)) if arn.scope == caller.scope => Ok(Tagged::Alarm(name.to_owned())),
        _ => Err(absent()),
    }
}
