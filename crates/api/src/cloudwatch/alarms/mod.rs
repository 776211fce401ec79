//! Alarms: definitions in and out of CloudWatch's shapes.

mod describe;
mod history;
mod manage;
mod mute;
mod put_composite_alarm;
mod put_metric_alarm;

pub use describe::{describe, describe_for_metric};
pub use history::history;
pub use manage::{delete, disable_actions, enable_actions, set_state};
pub use mute::{delete as delete_mute, get as get_mute, list as list_mutes, put as put_mute};
pub use put_composite_alarm::call as put_composite_alarm;
pub use put_metric_alarm::call as put_metric_alarm;

use crate::models::cloudwatch::{Dimension, Metric, MetricDataQuery, MetricStat, faults};
use crate::wire::{Fault, Text};
use millrace_watch::alarms::{Actions, AlarmError, AlarmMetric, AlarmQuery};

impl From<AlarmError> for Fault {
    fn from(error: AlarmError) -> Self {
        let kind = match &error {
            AlarmError::NotFound(_) => faults::RESOURCE_NOT_FOUND,
            AlarmError::Invalid(_) => crate::wire::kinds::VALIDATION,
            AlarmError::TooMany => faults::LIMIT_EXCEEDED_FAULT,
            AlarmError::Catalog(_) => faults::INTERNAL_SERVICE_FAULT,
        };
        kind.because(error.to_string())
    }
}

/// The name in a name or ARN.
fn name_of(alarm: &str) -> &str {
    alarm.split_once(":alarm:").map_or(alarm, |(_, name)| name)
}

/// The refusal of a definition in AWS's manner.
fn invalid(message: impl Into<String>) -> Fault {
    crate::wire::kinds::VALIDATION.because(message.into())
}

fn texts(list: Option<&Vec<Text>>) -> Vec<String> {
    list.map(|list| list.iter().map(|text| text.to_string()).collect()).unwrap_or_default()
}

fn list(texts: &[String]) -> Option<Vec<Text>> {
    Some(texts.iter().map(|text| text.as_str().into()).collect())
}

/// A definition's actions. They are ARNs of topics, queues and functions, or addresses of webhooks.
fn actions(lists: [&Option<Vec<Text>>; 3]) -> Result<Actions, Fault> {
    let [ok, alarm, insufficient_data] = lists.map(|list| texts(list.as_ref()));
    for action in [&ok, &alarm, &insufficient_data].into_iter().flatten() {
        let of_service = |service: &str| {
            action.strip_prefix("arn:aws").and_then(|rest| rest.split(':').nth(1)).is_some_and(|found| found == service)
        };
        let is_webhook = action.starts_with("http://") || action.starts_with("https://");
        if !is_webhook && !["sns", "sqs", "lambda"].into_iter().any(of_service) {
            return Err(invalid(format!(
                "Invalid or unsupported action {action}: the ARN of an SNS topic, an SQS queue or a Lambda function, or the \
                 address of a webhook (https://…) are supported."
            )));
        }
    }
    Ok(Actions { ok, alarm, insufficient_data })
}

fn dimensions_in(dimensions: Option<&Vec<Dimension>>) -> Vec<(String, String)> {
    let pair = |dimension: &Dimension| (dimension.name.to_string(), dimension.value.to_string());
    dimensions.map(|dimensions| dimensions.iter().map(pair).collect()).unwrap_or_default()
}

fn dimensions_out(dimensions: &[(String, String)]) -> Option<Vec<Dimension>> {
    let dimension =
        |(name, value): &(String, String)| Dimension { name: name.as_str().into(), value: value.as_str().into() };
    Some(dimensions.iter().map(dimension).collect())
}

fn query_in(query: &MetricDataQuery) -> Result<AlarmQuery, Fault> {
    let metric = query.metric_stat.as_ref().map(|stat| {
        let missing = |member: &str| invalid(format!("The query '{}' needs a metric's {member}.", query.id));
        Ok::<_, Fault>(AlarmMetric {
            namespace: stat.metric.namespace.as_ref().ok_or_else(|| missing("Namespace"))?.to_string(),
            name: stat.metric.metric_name.as_ref().ok_or_else(|| missing("MetricName"))?.to_string(),
            dimensions: dimensions_in(stat.metric.dimensions.as_ref()),
            statistic: stat.stat.to_string(),
            period: seconds(stat.period)?,
            unit: stat.unit.as_ref().map(|unit| unit.to_string()),
        })
    });
    Ok(AlarmQuery {
        id: query.id.to_string(),
        expression: query.expression.as_ref().map(|expression| expression.to_string()),
        metric: metric.transpose()?,
        label: query.label.as_ref().map(|label| label.to_string()),
        returns_data: query.return_data.unwrap_or(true),
        period: query.period.map(seconds).transpose()?,
    })
}

fn query_out(query: &AlarmQuery) -> MetricDataQuery {
    MetricDataQuery {
        id: query.id.as_str().into(),
        metric_stat: query.metric.as_ref().map(|metric| MetricStat {
            metric: Metric {
                namespace: Some(metric.namespace.as_str().into()),
                metric_name: Some(metric.name.as_str().into()),
                dimensions: dimensions_out(&metric.dimensions),
            },
            period: i32::try_from(metric.period).unwrap_or(i32::MAX),
            stat: metric.statistic.as_str().into(),
            unit: metric.unit.as_deref().map(Into::into),
        }),
        expression: query.expression.as_deref().map(Into::into),
        label: query.label.as_deref().map(Into::into),
        return_data: Some(query.returns_data),
        period: query.period.and_then(|period| i32::try_from(period).ok()),
        account_id: None,
    }
}

fn seconds(seconds: i32) -> Result<u32, Fault> {
    super::period(seconds)?;
    u32::try_from(seconds).map_err(|_| invalid(format!("A period is positive, not {seconds}.")))
}
