//! What alarms say: reasons of states, and the documents that actions send.
//!
//! Source: notifications and reasons as AWS's user guide shows them; `StateReasonData` version 1.0.

use super::definition::{Alarm, AlarmMetric, MetricAlarm, Status, Watched, Watches};
use super::{AlarmState, Evaluated, MissingData};
use millrace_base::Millis;
use serde_json::{Map, Value, json};

/// An evaluated period: when it began, and its value.
pub(crate) type Point = (Millis, f64);

/// `2026-11-21T20:00:00.000+0000`.
pub fn timestamp(moment: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(moment).unwrap_or_default().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// A number as AWS's texts write it: whole ones with `.0`.
fn number(value: f64) -> String {
    format!("{value:?}")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Why a metric alarm is in a state. `counted` are the real datapoints that were used, the newest first.
pub(crate) fn reason(alarm: &MetricAlarm, found: &Evaluated, used: &[Point]) -> String {
    let Some(state) = found.state else { return String::new() };
    if state == AlarmState::InsufficientData {
        let were = if found.filled == 1 { "was" } else { "were" };
        return format!("Insufficient Data: {} {were} unknown.", counted(found.filled, "datapoint"));
    }
    let treated = || {
        let treatment = match alarm.missing.unwrap_or_default() {
            MissingData::Breaching => "Breaching",
            MissingData::NotBreaching => "NonBreaching",
            MissingData::Missing | MissingData::Ignore => return None,
        };
        let were = if found.filled == 1 { "was" } else { "were" };
        let filled = counted(found.filled, "missing datapoint");
        (found.filled > 0).then(|| format!("{filled} {were} treated as [{treatment}]"))
    };
    if used.is_empty() {
        let periods = counted(found.filled, "period");
        return format!("no datapoints were received for {periods} and {}.", treated().unwrap_or_default()).replacen(
            "no",
            "Threshold Crossed: no",
            1,
        );
    }
    let is_alarm = state == AlarmState::Alarm;
    let matching: Vec<String> = used
        .iter()
        .filter(|(_, value)| alarm.comparison.breaches(*value, alarm.threshold) == is_alarm)
        .map(|(moment, value)| {
            let moment = chrono::DateTime::from_timestamp_millis(*moment).unwrap_or_default();
            format!("{} ({})", number(*value), moment.format("%d/%m/%y %H:%M:%S"))
        })
        .collect();
    let (were, not) = (if matching.len() == 1 { "was" } else { "were" }, if is_alarm { "" } else { "not " });
    let m = alarm.datapoints_to_alarm() as usize;
    let (least, transition) = match is_alarm {
        true => (m, "OK -> ALARM"),
        false => (alarm.evaluation_periods as usize + 1 - m, "ALARM -> OK"),
    };
    let filled = treated().map(|treated| format!(" and {treated}")).unwrap_or_default();
    format!(
        "Threshold Crossed: {} out of the last {} datapoints [{}] {were} {not}{} the threshold ({}){filled} (minimum {} for {transition} \
         transition).",
        matching.len(),
        alarm.evaluation_periods,
        matching.join(", "),
        alarm.comparison.phrase(),
        number(alarm.threshold),
        counted(least, "datapoint"),
    )
}

/// The same for machines.
pub(crate) fn reason_data(alarm: &MetricAlarm, now: Millis, used: &[Point]) -> String {
    let mut data = Map::new();
    data.insert("version".to_owned(), json!("1.0"));
    data.insert("queryDate".to_owned(), json!(timestamp(now)));
    if let Some((first, _)) = used.last() {
        data.insert("startDate".to_owned(), json!(timestamp(*first)));
    }
    if let Watched::Metric(metric) = &alarm.watched {
        data.insert("statistic".to_owned(), json!(metric.statistic));
        data.insert("period".to_owned(), json!(metric.period));
    }
    let recent: Vec<f64> = used.iter().rev().map(|(_, value)| *value).collect();
    data.insert("recentDatapoints".to_owned(), json!(recent));
    data.insert("threshold".to_owned(), json!(alarm.threshold));
    let evaluated: Vec<Value> =
        used.iter().map(|(moment, value)| json!({"timestamp": timestamp(*moment), "value": value})).collect();
    data.insert("evaluatedDatapoints".to_owned(), json!(evaluated));
    Value::Object(data).to_string()
}

/// What topics, queues and webhooks get.
pub(crate) fn notification(alarm: &Alarm, previous: &Status) -> Value {
    let mut document = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.scope.account,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm.configured),
        "NewStateValue": alarm.status.state.word(),
        "NewStateReason": alarm.status.reason,
        "StateChangeTime": timestamp(alarm.status.updated),
        "Region": alarm.scope.region,
        "AlarmArn": alarm.arn(),
        "OldStateValue": previous.state.word(),
        "OKActions": alarm.actions.ok,
        "AlarmActions": alarm.actions.alarm,
        "InsufficientDataActions": alarm.actions.insufficient_data,
    });
    match &alarm.watches {
        Watches::Metric(metric) => document["Trigger"] = trigger(metric),
        Watches::Composite(composite) => document["AlarmRule"] = json!(composite.rule),
    }
    document
}

/// `Average` is written `AVERAGE`, and `SampleCount` `SAMPLE_COUNT`, in triggers.
fn statistic(metric: &AlarmMetric) -> (&'static str, &'static str, String) {
    match metric.statistic.as_str() {
        "SampleCount" => ("Statistic", "Statistic", "SAMPLE_COUNT".to_owned()),
        plain @ ("Average" | "Sum" | "Minimum" | "Maximum") => ("Statistic", "Statistic", plain.to_ascii_uppercase()),
        extended => ("ExtendedStatistic", "ExtendedStatistic", extended.to_owned()),
    }
}

fn trigger(alarm: &MetricAlarm) -> Value {
    let low_samples = alarm.ignores_low_samples.map_or("", |ignores| if ignores { "ignore" } else { "evaluate" });
    let mut trigger = json!({
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm(),
        "ComparisonOperator": alarm.comparison.word(),
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing.unwrap_or_default().word(),
        "EvaluateLowSampleCountPercentile": low_samples,
    });
    match &alarm.watched {
        Watched::Metric(metric) => {
            let (kind, key, value) = statistic(metric);
            trigger["MetricName"] = json!(metric.name);
            trigger["Namespace"] = json!(metric.namespace);
            trigger["StatisticType"] = json!(kind);
            trigger[key] = json!(value);
            trigger["Unit"] = json!(metric.unit);
            trigger["Dimensions"] =
                metric.dimensions.iter().map(|(name, value)| json!({"value": value, "name": name})).collect();
            trigger["Period"] = json!(metric.period);
        }
        Watched::Queries(queries) => {
            let query = |query: &super::definition::AlarmQuery| {
                let mut written = json!({"Id": query.id, "ReturnData": query.returns_data});
                if let Some(expression) = &query.expression {
                    written["Expression"] = json!(expression);
                }
                if let Some(metric) = &query.metric {
                    let dimensions: Vec<Value> =
                        metric.dimensions.iter().map(|(name, value)| json!({"value": value, "name": name})).collect();
                    written["MetricStat"] = json!({
                        "Metric": {"Dimensions": dimensions, "MetricName": metric.name, "Namespace": metric.namespace},
                        "Period": metric.period,
                        "Stat": metric.statistic,
                    });
                }
                written
            };
            trigger["Metrics"] = queries.iter().map(query).collect();
        }
    }
    trigger
}

/// What functions get.
pub(crate) fn event(alarm: &Alarm, previous: &Status) -> Value {
    let state = |status: &Status| {
        let mut state = json!({
            "value": status.state.word(),
            "reason": status.reason,
            "timestamp": timestamp(status.updated),
        });
        if let Some(data) = &status.reason_data {
            state["reasonData"] = json!(data);
        }
        state
    };
    let mut configuration = match &alarm.watches {
        Watches::Composite(composite) => json!({"alarmRule": composite.rule}),
        Watches::Metric(metric) => json!({"metrics": queries(metric)}),
    };
    if let Some(description) = &alarm.description {
        configuration["description"] = json!(description);
    }
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": alarm.arn(),
        "accountId": alarm.scope.account,
        "time": timestamp(alarm.status.updated),
        "region": alarm.scope.region,
        "alarmData": {
            "alarmName": alarm.name,
            "state": state(&alarm.status),
            "previousState": state(previous),
            "configuration": configuration,
        },
    })
}

fn queries(alarm: &MetricAlarm) -> Vec<Value> {
    let stat = |metric: &AlarmMetric| {
        let dimensions: Map<String, Value> =
            metric.dimensions.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "metric": {"namespace": metric.namespace, "name": metric.name, "dimensions": dimensions},
            "period": metric.period,
            "stat": metric.statistic,
        })
    };
    match &alarm.watched {
        Watched::Metric(metric) => vec![json!({"id": "m1", "metricStat": stat(metric), "returnData": true})],
        Watched::Queries(queries) => queries
            .iter()
            .map(|query| match (&query.expression, &query.metric) {
                (Some(expression), _) => {
                    json!({"id": query.id, "expression": expression, "returnData": query.returns_data})
                }
                (None, metric) => {
                    let stat = metric.as_ref().map(stat);
                    json!({"id": query.id, "metricStat": stat, "returnData": query.returns_data})
                }
            })
            .collect(),
    }
}
