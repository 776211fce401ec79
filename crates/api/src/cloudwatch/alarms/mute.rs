//! Mute rules: PutAlarmMuteRule, GetAlarmMuteRule, ListAlarmMuteRules, DeleteAlarmMuteRule.

use super::super::dashboards::map;
use super::super::{CloudWatch, place};
use super::{invalid, name_of, texts};
use crate::http::Caller;
use crate::models::cloudwatch::{
    AlarmMuteRuleSummary, DeleteAlarmMuteRuleInput, GetAlarmMuteRuleInput, GetAlarmMuteRuleOutput,
    ListAlarmMuteRulesInput, ListAlarmMuteRulesOutput, MuteTargets, PutAlarmMuteRuleInput, RuleShape, Schedule, faults,
};
use crate::wire::{Fault, Text, Timestamp};
use millrace_base::Scope;
use millrace_watch::alarms::{AlarmError, MuteRule, MuteStatus};

/// Rules of a page, unless the caller wants fewer.
const PAGE: usize = 50;

pub fn put(service: &CloudWatch, caller: &Caller, input: PutAlarmMuteRuleInput) -> Result<(), Fault> {
    service.put_alarm_mute_rule(&caller.scope, &input)
}

impl CloudWatch {
    /// Defines a mute rule: what the operation of this name does for its caller's scope.
    pub fn put_alarm_mute_rule(&self, scope: &Scope, input: &PutAlarmMuteRuleInput) -> Result<(), Fault> {
        Ok(self.alarms.put_mute(rule(self, scope, input)?)?)
    }
}

fn rule(service: &CloudWatch, scope: &Scope, input: &PutAlarmMuteRuleInput) -> Result<MuteRule, Fault> {
    let alarms = texts(input.mute_targets.as_ref().map(|targets| &targets.alarm_names));
    if let Some(absent) = alarms.iter().find(|name| service.alarms.get(scope, name_of(name)).is_err()) {
        return Err(invalid(format!("MuteTargets names the alarm {absent}, which does not exist.")));
    }
    let schedule = &input.rule.schedule;
    Ok(MuteRule {
        scope: scope.clone(),
        name: input.name.to_string(),
        description: input.description.as_ref().map(|text| text.to_string()),
        expression: schedule.expression.to_string(),
        duration: schedule.duration.to_string(),
        timezone: schedule.timezone.as_ref().map(|zone| zone.to_string()),
        alarms,
        start: input.start_date.map(|start| start.0),
        expire: input.expire_date.map(|expire| expire.0),
        updated: service.clock.now(),
        tags: input.tags.as_deref().map(map).unwrap_or_default(),
    })
}

pub fn get(
    service: &CloudWatch,
    caller: &Caller,
    input: GetAlarmMuteRuleInput,
) -> Result<GetAlarmMuteRuleOutput, Fault> {
    let name = &*input.alarm_mute_rule_name;
    let (rule, status) = service.alarms.mute(&caller.scope, name).map_err(|error| match error {
        AlarmError::NotFound(message) => faults::RESOURCE_NOT_FOUND_EXCEPTION
            .because(message)
            .with("ResourceType", "AlarmMuteRule")
            .with("ResourceId", name),
        other => other.into(),
    })?;
    Ok(GetAlarmMuteRuleOutput {
        name: Some(rule.name.as_str().into()),
        alarm_mute_rule_arn: Some(arn(&rule)),
        description: rule.description.as_deref().map(Into::into),
        rule: Some(RuleShape {
            schedule: Schedule {
                expression: rule.expression.as_str().into(),
                duration: rule.duration.as_str().into(),
                timezone: rule.timezone.as_deref().map(Into::into),
            },
        }),
        mute_targets: Some(MuteTargets { alarm_names: rule.alarms.iter().map(|name| name.as_str().into()).collect() }),
        start_date: rule.start.map(Timestamp),
        expire_date: rule.expire.map(Timestamp),
        status: Some(word(status)),
        last_updated_timestamp: Some(Timestamp(rule.updated)),
        mute_type: Some(kind(&rule)),
    })
}

pub fn list(
    service: &CloudWatch,
    caller: &Caller,
    input: ListAlarmMuteRulesInput,
) -> Result<ListAlarmMuteRulesOutput, Fault> {
    let mut rules = service.alarms.mutes(&caller.scope)?;
    rules.retain(|(rule, status)| {
        let wanted = input.statuses.as_ref();
        input.alarm_name.as_deref().is_none_or(|name| rule.alarms.iter().any(|alarm| name_of(alarm) == name_of(name)))
            && wanted.is_none_or(|wanted| wanted.iter().any(|wanted| **wanted == *word(*status)))
    });
    let (from, size) = (place(input.next_token.as_deref())?, input.max_records.map_or(PAGE, |size| size as usize));
    let next = (from + size < rules.len()).then(|| Text::from((from + size).to_string()));
    let summary = |(rule, status): &(MuteRule, MuteStatus)| AlarmMuteRuleSummary {
        alarm_mute_rule_arn: Some(arn(rule)),
        expire_date: rule.expire.map(Timestamp),
        status: Some(word(*status)),
        mute_type: Some(kind(rule)),
        last_updated_timestamp: Some(Timestamp(rule.updated)),
    };
    let page = rules.iter().skip(from).take(size).map(summary).collect();
    Ok(ListAlarmMuteRulesOutput { alarm_mute_rule_summaries: Some(page), next_token: next })
}

pub fn delete(service: &CloudWatch, caller: &Caller, input: DeleteAlarmMuteRuleInput) -> Result<(), Fault> {
    service.alarms.delete_mute(&caller.scope, &input.alarm_mute_rule_name)?;
    Ok(())
}

fn arn(rule: &MuteRule) -> Text {
    rule.scope.arn("cloudwatch", &format!("alarm-mute-rule:{}", rule.name)).to_string().into()
}

fn word(status: MuteStatus) -> Text {
    Text::from_static(match status {
        MuteStatus::Scheduled => "SCHEDULED",
        MuteStatus::Active => "ACTIVE",
        MuteStatus::Expired => "EXPIRED",
    })
}

fn kind(rule: &MuteRule) -> Text {
    Text::from_static(if rule.expression.trim_start().starts_with("at(") { "ONE_TIME" } else { "RECURRING" })
}
