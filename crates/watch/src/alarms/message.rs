//! What actions send, and how the history writes definitions down.
//!
//! Source: notifications, events and history items as AWS's user guide and recorded answers show them.

use super::definition::{Alarm, AlarmMetric, AlarmQuery, CompositeAlarm, MetricAlarm, Status, Watched, Watches};
use super::words::{region_name, timestamp};
use serde_json::{Map, Value, json};

/// What topics, queues and webhooks get. `late` when a mute rule kept it back until now.
pub(crate) fn notification(alarm: &Alarm, previous: &Status, late: bool) -> Value {
    let mut document = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.scope.account,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm.configured),
        "NewStateValue": alarm.status.state.word(),
        "NewStateReason": alarm.status.reason,
        "StateChangeTime": timestamp(alarm.status.transitioned),
        "Region": region_name(&alarm.scope),
        "AlarmArn": alarm.arn(),
        "OldStateValue": previous.state.word(),
        "ActionExecutedAfterMuteWindow": late,
        "OKActions": alarm.actions.ok,
        "AlarmActions": alarm.actions.alarm,
        "InsufficientDataActions": alarm.actions.insufficient_data,
    });
    match &alarm.watches {
        Watches::Metric(metric) => document["Trigger"] = trigger(metric),
        Watches::Composite(composite) => {
            document["AlarmRule"] = json!(composite.rule);
            document["TriggeringChildren"] = json!(triggering(&alarm.status));
            if let Some(suppressor) = &composite.suppressor {
                document["ActionsSuppressor"] = json!(suppressor.alarm);
                document["ActionsSuppressorWaitPeriod"] = json!(suppressor.wait);
                document["ActionsSuppressorExtensionPeriod"] = json!(suppressor.extension);
            }
        }
    }
    document
}

/// The children that brought a composite alarm to its state: those of its reason, in a notification's letters.
fn triggering(status: &Status) -> Vec<Value> {
    let data = status.reason_data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok());
    let children = data.as_ref().and_then(|data| data["triggeringAlarms"].as_array());
    let child = |child: &Value| {
        let state = &child["state"];
        json!({"Arn": child["arn"], "State": {"Value": state["value"], "Timestamp": state["timestamp"]}})
    };
    children.into_iter().flatten().map(child).collect()
}

/// `Average` is written `AVERAGE`, and `SampleCount` `SAMPLE_COUNT`, in triggers.
fn statistic(metric: &AlarmMetric) -> (&'static str, String) {
    match metric.statistic.as_str() {
        "SampleCount" => ("Statistic", "SAMPLE_COUNT".to_owned()),
        plain @ ("Average" | "Sum" | "Minimum" | "Maximum") => ("Statistic", plain.to_ascii_uppercase()),
        extended => ("ExtendedStatistic", extended.to_owned()),
    }
}

fn low_samples(alarm: &MetricAlarm) -> &'static str {
    alarm.ignores_low_samples.map_or("", |ignores| if ignores { "ignore" } else { "evaluate" })
}

fn trigger(alarm: &MetricAlarm) -> Value {
    let mut trigger = json!({
        "EvaluationPeriods": alarm.evaluation_periods,
        "ComparisonOperator": alarm.comparison.word(),
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing.unwrap_or_default().word(),
        "EvaluateLowSampleCountPercentile": low_samples(alarm),
    });
    if let Some(m) = alarm.datapoints_to_alarm {
        trigger["DatapointsToAlarm"] = json!(m);
    }
    match &alarm.watched {
        Watched::Metric(metric) => {
            let (kind, value) = statistic(metric);
            trigger["MetricName"] = json!(metric.name);
            trigger["Namespace"] = json!(metric.namespace);
            trigger["StatisticType"] = json!(kind);
            trigger[kind] = json!(value);
            trigger["Unit"] = json!(metric.unit);
            trigger["Dimensions"] = dimensions(metric);
            trigger["Period"] = json!(metric.period);
        }
        Watched::Queries(queries) => trigger["Metrics"] = queries.iter().map(query).collect(),
    }
    trigger
}

fn dimensions(metric: &AlarmMetric) -> Value {
    metric.dimensions.iter().map(|(name, value)| json!({"value": value, "name": name})).collect()
}

fn query(query: &AlarmQuery) -> Value {
    let mut written = json!({"Id": query.id, "ReturnData": query.returns_data});
    if let Some(label) = &query.label {
        written["Label"] = json!(label);
    }
    if let Some(expression) = &query.expression {
        written["Expression"] = json!(expression);
    }
    if let Some(metric) = &query.metric {
        written["MetricStat"] = json!({
            "Metric": {"Dimensions": dimensions(metric), "MetricName": metric.name, "Namespace": metric.namespace},
            "Period": metric.period,
            "Stat": metric.statistic,
        });
        if let Some(unit) = &metric.unit {
            written["MetricStat"]["Unit"] = json!(unit);
        }
    }
    written
}

/// What functions get.
pub(crate) fn event(alarm: &Alarm, previous: &Status) -> Value {
    let mut configuration = match &alarm.watches {
        Watches::Composite(composite) => composite_configuration(composite),
        Watches::Metric(metric) => json!({"metrics": event_queries(metric)}),
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
            "state": event_state(&alarm.status),
            "previousState": event_state(previous),
            "configuration": configuration,
        },
    })
}

fn event_state(status: &Status) -> Value {
    let mut state = json!({
        "value": status.state.word(),
        "reason": status.reason,
        "timestamp": timestamp(status.updated),
    });
    if let Some(data) = &status.reason_data {
        state["reasonData"] = json!(data);
    }
    if let Some(held) = &status.suppressed {
        state["actionsSuppressedBy"] = json!(held.by.word());
        state["actionsSuppressedReason"] = json!(held.by.reason());
    }
    state
}

fn composite_configuration(composite: &CompositeAlarm) -> Value {
    let mut configuration = json!({"alarmRule": composite.rule});
    if let Some(suppressor) = &composite.suppressor {
        configuration["actionsSuppressor"] = json!(suppressor.alarm);
        configuration["actionsSuppressorWaitPeriod"] = json!(suppressor.wait);
        configuration["actionsSuppressorExtensionPeriod"] = json!(suppressor.extension);
    }
    configuration
}

fn event_queries(alarm: &MetricAlarm) -> Vec<Value> {
    let stat = |metric: &AlarmMetric| {
        let dimensions: Map<String, Value> =
            metric.dimensions.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut stat = json!({
            "metric": {"namespace": metric.namespace, "name": metric.name, "dimensions": dimensions},
            "period": metric.period,
            "stat": metric.statistic,
        });
        if let Some(unit) = &metric.unit {
            stat["unit"] = json!(unit);
        }
        stat
    };
    let query = |query: &AlarmQuery| {
        let mut written = json!({"id": query.id, "returnData": query.returns_data});
        if let Some(label) = &query.label {
            written["label"] = json!(label);
        }
        match (&query.expression, &query.metric) {
            (Some(expression), _) => written["expression"] = json!(expression),
            (None, metric) => written["metricStat"] = json!(metric.as_ref().map(stat)),
        }
        written
    };
    match &alarm.watched {
        Watched::Metric(metric) => vec![json!({"id": "m1", "metricStat": stat(metric), "returnData": true})],
        Watched::Queries(queries) => queries.iter().map(query).collect(),
    }
}

/// The history's data of a change of state.
pub(crate) fn state_change(previous: &Status, status: &Status) -> Value {
    json!({"version": "1.0", "oldState": history_state(previous), "newState": history_state(status)})
}

fn history_state(status: &Status) -> Value {
    let mut state = json!({"stateValue": status.state.word(), "stateReason": status.reason});
    if let Some(data) = status.reason_data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok()) {
        state["stateReasonData"] = data;
    }
    state
}

/// The history's data of a change of definition: `Create`, `Update` or `Delete`.
pub(crate) fn definition_change(kind: &str, alarm: &Alarm) -> Value {
    let mut data = json!({"version": "1.0", "type": kind});
    data[format!("{}dAlarm", kind.to_ascii_lowercase())] = definition(alarm);
    data
}

fn definition(alarm: &Alarm) -> Value {
    let mut definition = json!({
        "alarmName": alarm.name,
        "alarmArn": alarm.arn(),
        "alarmDescription": alarm.description,
        "actionsEnabled": alarm.actions_enabled,
        "okactions": alarm.actions.ok,
        "alarmActions": alarm.actions.alarm,
        "insufficientDataActions": alarm.actions.insufficient_data,
        "stateValue": alarm.status.state.word(),
        "alarmConfigurationUpdatedTimestamp": timestamp(alarm.configured),
        "stateUpdatedTimestamp": timestamp(alarm.status.updated),
    });
    let metric = match &alarm.watches {
        Watches::Metric(metric) => metric,
        Watches::Composite(composite) => {
            let more = composite_configuration(composite);
            more.as_object().into_iter().flatten().for_each(|(name, value)| definition[name] = value.clone());
            return definition;
        }
    };
    definition["evaluationPeriods"] = json!(metric.evaluation_periods);
    definition["comparisonOperator"] = json!(metric.comparison.word());
    definition["threshold"] = json!(metric.threshold);
    definition["treatMissingData"] = json!(metric.missing.unwrap_or_default().word());
    definition["evaluateLowSampleCountPercentile"] = json!(low_samples(metric));
    if let Some(m) = metric.datapoints_to_alarm {
        definition["datapointsToAlarm"] = json!(m);
    }
    match &metric.watched {
        Watched::Queries(_) => definition["metrics"] = json!(event_queries(metric)),
        Watched::Metric(watched) => {
            let (kind, _) = statistic(watched);
            definition["metricName"] = json!(watched.name);
            definition["namespace"] = json!(watched.namespace);
            definition["dimensions"] = dimensions(watched);
            definition["period"] = json!(watched.period);
            let kind = if kind == "Statistic" { "statistic" } else { "extendedStatistic" };
            definition[kind] = json!(watched.statistic);
            if let Some(unit) = &watched.unit {
                definition["unit"] = json!(unit);
            }
        }
    }
    definition
}
