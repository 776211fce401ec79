//! `AWS::CloudWatch::Alarm`, `AWS::CloudWatch::CompositeAlarm` and `AWS::CloudWatch::AlarmMuteRule`: their properties are the members of
//! the operations that define them, and are checked by those.

use super::read;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use millrace_api::cloudwatch::CloudWatch;
use millrace_api::models::cloudwatch::{PutAlarmMuteRuleInput, PutCompositeAlarmInput, PutMetricAlarmInput};
use millrace_api::wire::{Fault, Format, Shape};
use millrace_base::Scope;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use millrace_watch::alarms::{AlarmError, Alarms};
use serde_json::{Value, json};

/// Members that are numbers: a template may write them as texts.
const NUMBERS: [&str; 6] = [
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "Period",
    "Threshold",
];
const SWITCHES: [&str; 2] = ["ActionsEnabled", "ReturnData"];

/// What kind of alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On a metric or on math.
    Metric,
    /// On other alarms.
    Composite,
}

/// CloudWatch's alarms.
pub(super) struct Alarm {
    pub(super) service: CloudWatch,
    pub(super) alarms: Alarms,
    pub(super) kind: Kind,
}

/// Their mute rules.
pub(super) struct MuteRule {
    pub(super) service: CloudWatch,
    pub(super) alarms: Alarms,
}

fn refused(fault: Fault) -> ResourceError {
    ResourceError::property("", fault.message)
}

fn failed(error: AlarmError) -> ResourceError {
    match error {
        AlarmError::Invalid(reason) => ResourceError::property("", reason),
        other => ResourceError::Failed(other.to_string()),
    }
}

/// An operation's input from a template's properties.
fn input<T: Shape>(properties: &Value) -> Result<T, ResourceError> {
    let mut members = properties.clone();
    as_typed(&mut members);
    Format::Json.decode(Bytes::from(members.to_string())).map_err(refused)
}

/// Numbers and switches that the template writes as texts become what they stand for.
fn as_typed(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(as_typed),
        Value::Object(members) => {
            for (name, value) in members {
                let typed = value.as_str().and_then(|text| {
                    let typed = NUMBERS.contains(&name.as_str()) || SWITCHES.contains(&name.as_str());
                    typed.then(|| serde_json::from_str(text).ok()).flatten()
                });
                match typed {
                    Some(typed) => *value = typed,
                    None => as_typed(value),
                }
            }
        }
        _ => {}
    }
}

impl Alarm {
    fn put(&self, scope: &Scope, name: &str, properties: &Value) -> Result<Created, ResourceError> {
        let mut members = properties.clone();
        members["AlarmName"] = json!(name);
        match self.kind {
            Kind::Metric => self.service.put_metric_alarm(scope, &input::<PutMetricAlarmInput>(&members)?),
            Kind::Composite => self.service.put_composite_alarm(scope, &input::<PutCompositeAlarmInput>(&members)?),
        }
        .map_err(refused)?;
        let tags = read::tags(properties.get("Tags"));
        self.alarms.change_tags(scope, name, |kept| *kept = tags).map_err(failed)?;
        let arn = self.alarms.get(scope, name).map_err(failed)?.arn();
        Ok(Created::new(name, [("Arn", arn)]))
    }
}

#[async_trait]
impl ResourceType for Alarm {
    fn properties(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Metric => &[
                "ActionsEnabled",
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "ComparisonOperator",
                "DatapointsToAlarm",
                "Dimensions",
                "EvaluateLowSampleCountPercentile",
                "EvaluationPeriods",
                "ExtendedStatistic",
                "InsufficientDataActions",
                "MetricName",
                "Metrics",
                "Namespace",
                "OKActions",
                "Period",
                "Statistic",
                "Tags",
                "Threshold",
                "TreatMissingData",
                "Unit",
            ],
            Kind::Composite => &[
                "ActionsEnabled",
                "ActionsSuppressor",
                "ActionsSuppressorExtensionPeriod",
                "ActionsSuppressorWaitPeriod",
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "AlarmRule",
                "InsufficientDataActions",
                "OKActions",
                "Tags",
            ],
        }
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "AlarmName");
        if !ctx.resuming && self.alarms.get(&ctx.scope, &name).is_ok() {
            return Err(read::taken("alarm", &name, "AlarmName"));
        }
        self.put(&ctx.scope, &name, properties)
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.put(&ctx.scope, physical_id, new).map(Updated::InPlace)
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        self.alarms.delete(&ctx.scope, &[physical_id.to_owned()]).map_err(failed)
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.alarms.get(&ctx.scope, physical_id).is_ok())
    }
}

impl MuteRule {
    fn put(&self, scope: &Scope, name: &str, properties: &Value) -> Result<Created, ResourceError> {
        let mut members = properties.clone();
        members["Name"] = json!(name);
        for date in ["StartDate", "ExpireDate"] {
            if let Some(text) = read::text(properties, date) {
                let moment = DateTime::parse_from_rfc3339(text);
                let moment = moment.map_err(|error| ResourceError::property(date, format!("'{text}': {error}")))?;
                members[date] = json!(moment.timestamp());
            }
        }
        let input = input::<PutAlarmMuteRuleInput>(&members)?;
        self.service.put_alarm_mute_rule(scope, &input).map_err(refused)?;
        let tags = read::tags(properties.get("Tags"));
        self.alarms.change_mute_tags(scope, name, |kept| *kept = tags).map_err(failed)?;
        let arn = arn(scope, name);
        Ok(Created::new(arn.clone(), [("Arn", arn)]))
    }
}

fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("cloudwatch", &format!("alarm-mute-rule:{name}")).to_string()
}

/// The name in a mute rule's ARN.
fn name_of(arn: &str) -> &str {
    arn.split_once(":alarm-mute-rule:").map_or(arn, |(_, name)| name)
}

#[async_trait]
impl ResourceType for MuteRule {
    fn properties(&self) -> &'static [&'static str] {
        &["Description", "ExpireDate", "MuteTargets", "Name", "Rule", "StartDate", "Tags"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "Name");
        if !ctx.resuming && self.alarms.mute(&ctx.scope, &name).is_ok() {
            return Err(read::taken("alarm mute rule", &name, "Name"));
        }
        self.put(&ctx.scope, &name, properties)
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.put(&ctx.scope, name_of(physical_id), new).map(Updated::InPlace)
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        self.alarms.delete_mute(&ctx.scope, name_of(physical_id)).map_err(failed)
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.alarms.mute(&ctx.scope, name_of(physical_id)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_numbers_where_numbers_belong() {
        let mut members =
            json!({"Period": "60", "AlarmName": "60", "Metrics": [{"ReturnData": "false", "Label": "5"}]});
        as_typed(&mut members);
        assert_eq!(members, json!({"Period": 60, "AlarmName": "60", "Metrics": [{"ReturnData": false, "Label": "5"}]}));
        assert_eq!(name_of(&arn(&Scope::default(), "night")), "night");
    }
}
