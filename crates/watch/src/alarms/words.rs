//! What alarms say: reasons of states, and their data for machines. What actions send is in [`super::message`].
//!
//! Source: reasons as AWS's user guide and recorded answers show them; `StateReasonData` version 1.0.

use super::definition::{MetricAlarm, Watched};
use super::{AlarmState, Evaluated, MissingData};
use millrace_base::{Millis, Scope, calendar};
use serde_json::{Map, Value, json};

/// An evaluated period: when it began, its value, and of how many samples, where that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) begin: Millis,
    pub(crate) value: f64,
    pub(crate) samples: Option<f64>,
}

/// `2026-11-21T20:00:00.000+0000`.
pub(super) fn timestamp(moment: Millis) -> String {
    calendar::timestamp(moment, "+0000")
}

fn written(moment: Millis, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(moment).unwrap_or_default().format(format).to_string()
}

/// A number as AWS's texts write it: whole ones with `.0`.
fn number(value: f64) -> String {
    format!("{value:?}")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn was(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Why a metric alarm is in a state. `used` are the real datapoints that were counted, the newest first.
pub(crate) fn reason(alarm: &MetricAlarm, found: &Evaluated, used: &[Point]) -> String {
    let Some(state) = found.state else { return String::new() };
    if state == AlarmState::InsufficientData {
        return format!("Insufficient Data: {} {} unknown.", counted(found.filled, "datapoint"), was(found.filled));
    }
    let treated = treated(alarm, found);
    if used.is_empty() {
        let periods = counted(found.filled, "period");
        let treated = treated.unwrap_or_default();
        return format!("Threshold Crossed: no datapoints were received for {periods} and {treated}.");
    }
    let is_alarm = state == AlarmState::Alarm;
    let matching = used.iter().filter(|point| alarm.comparison.breaches(point.value, alarm.threshold) == is_alarm);
    let matching: Vec<String> = matching
        .map(|point| format!("{} ({})", number(point.value), written(point.begin, "%d/%m/%y %H:%M:%S")))
        .collect();
    let count = matching.len();
    let filled = treated.map(|treated| format!(" and {treated}")).unwrap_or_default();
    let (not, phrase, threshold) = (if is_alarm { "" } else { "not " }, alarm.comparison.phrase(), alarm.threshold);
    let crossed =
        format!("[{}] {} {not}{phrase} the threshold ({}){filled}", matching.join(", "), was(count), number(threshold));
    // An alarm that does not say M is told without M and N, as on AWS.
    let Some(m) = alarm.datapoints_to_alarm else {
        return format!("Threshold Crossed: {} {crossed}.", counted(count, "datapoint"));
    };
    let n = alarm.evaluation_periods;
    let (least, transition) = match is_alarm {
        true => (m as usize, "OK -> ALARM"),
        false => ((n + 1).saturating_sub(m) as usize, "ALARM -> OK"),
    };
    format!(
        "Threshold Crossed: {count} out of the last {n} datapoints {crossed} (minimum {} for {transition} transition).",
        counted(least, "datapoint"),
    )
}

/// `1 missing datapoint was treated as [NonBreaching]`.
fn treated(alarm: &MetricAlarm, found: &Evaluated) -> Option<String> {
    let treatment = match alarm.missing.unwrap_or_default() {
        MissingData::Breaching => "Breaching",
        MissingData::NotBreaching => "NonBreaching",
        MissingData::Missing | MissingData::Ignore => return None,
    };
    let filled = counted(found.filled, "missing datapoint");
    (found.filled > 0).then(|| format!("{filled} {} treated as [{treatment}]", was(found.filled)))
}

/// The same for machines. `periods` are the beginnings of the periods that count, the newest first.
pub(crate) fn reason_data(alarm: &MetricAlarm, now: Millis, used: &[Point], periods: &[Millis]) -> String {
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("version", json!("1.0"));
    put("queryDate", json!(timestamp(now)));
    if let Some(first) = used.last() {
        put("startDate", json!(timestamp(first.begin)));
    }
    if let Watched::Metric(metric) = &alarm.watched {
        if let Some(unit) = &metric.unit {
            put("unit", json!(unit));
        }
        put("statistic", json!(metric.statistic));
        put("period", json!(metric.period));
    }
    let recent: Vec<f64> = used.iter().rev().map(|point| point.value).collect();
    put("recentDatapoints", json!(recent));
    put("threshold", json!(alarm.threshold));
    let missing = periods.iter().filter(|begin| used.iter().all(|point| point.begin != **begin));
    let missing = missing.take((alarm.evaluation_periods as usize).saturating_sub(used.len()));
    let evaluated: Vec<Value> =
        used.iter().map(evaluated).chain(missing.map(|begin| json!({"timestamp": timestamp(*begin)}))).collect();
    put("evaluatedDatapoints", json!(evaluated));
    Value::Object(data).to_string()
}

fn evaluated(point: &Point) -> Value {
    let mut evaluated = json!({"timestamp": timestamp(point.begin)});
    if let Some(samples) = point.samples {
        evaluated["sampleCount"] = json!(samples);
    }
    evaluated["value"] = json!(point.value);
    evaluated
}

/// A child of a composite alarm, as its reasons tell it.
pub(crate) struct Child {
    pub(crate) arn: String,
    pub(crate) state: AlarmState,
    pub(crate) since: Millis,
}

/// Why a composite alarm is in a state, and the same for machines. `changed` are the children whose change brought it there, the
/// latest last; none when its definition did, and then `all` are told.
pub(crate) fn composite_reason(
    arn: &str,
    is_new: bool,
    state: AlarmState,
    changed: &[Child],
    all: &[Child],
) -> (String, String) {
    let reason = match changed.last() {
        Some(child) => {
            format!(
                "{} transitioned to {} at {}",
                child.arn,
                child.state,
                written(child.since, "%A %d %B, %Y %H:%M:%S UTC")
            )
        }
        None => {
            format!("{arn} was {} and its alarm rule evaluates to {state}", if is_new { "created" } else { "updated" })
        }
    };
    let told = |child: &Child| json!({"arn": child.arn, "state": {"value": child.state.word(), "timestamp": timestamp(child.since)}});
    let children: Vec<Value> = if changed.is_empty() { all } else { changed }.iter().map(told).collect();
    (reason, json!({"triggeringAlarms": children}).to_string())
}

/// The region as AWS's messages call it.
pub(crate) fn region_name(scope: &Scope) -> &str {
    let known = REGIONS.iter().find(|(region, _)| *region == &*scope.region);
    known.map_or(&*scope.region, |(_, name)| name)
}

const REGIONS: [(&str, &str); 35] = [
    ("af-south-1", "Africa (Cape Town)"),
    ("ap-east-1", "Asia Pacific (Hong Kong)"),
    ("ap-east-2", "Asia Pacific (Taipei)"),
    ("ap-northeast-1", "Asia Pacific (Tokyo)"),
    ("ap-northeast-2", "Asia Pacific (Seoul)"),
    ("ap-northeast-3", "Asia Pacific (Osaka)"),
    ("ap-south-1", "Asia Pacific (Mumbai)"),
    ("ap-south-2", "Asia Pacific (Hyderabad)"),
    ("ap-southeast-1", "Asia Pacific (Singapore)"),
    ("ap-southeast-2", "Asia Pacific (Sydney)"),
    ("ap-southeast-3", "Asia Pacific (Jakarta)"),
    ("ap-southeast-4", "Asia Pacific (Melbourne)"),
    ("ap-southeast-5", "Asia Pacific (Malaysia)"),
    ("ap-southeast-7", "Asia Pacific (Thailand)"),
    ("ca-central-1", "Canada (Central)"),
    ("ca-west-1", "Canada West (Calgary)"),
    ("cn-north-1", "China (Beijing)"),
    ("cn-northwest-1", "China (Ningxia)"),
    ("eu-central-1", "EU (Frankfurt)"),
    ("eu-central-2", "Europe (Zurich)"),
    ("eu-north-1", "EU (Stockholm)"),
    ("eu-south-1", "EU (Milan)"),
    ("eu-south-2", "Europe (Spain)"),
    ("eu-west-1", "EU (Ireland)"),
    ("eu-west-2", "EU (London)"),
    ("eu-west-3", "EU (Paris)"),
    ("il-central-1", "Israel (Tel Aviv)"),
    ("me-central-1", "Middle East (UAE)"),
    ("me-south-1", "Middle East (Bahrain)"),
    ("mx-central-1", "Mexico (Central)"),
    ("sa-east-1", "South America (Sao Paulo)"),
    ("us-east-1", "US East (N. Virginia)"),
    ("us-east-2", "US East (Ohio)"),
    ("us-west-1", "US West (N. California)"),
    ("us-west-2", "US West (Oregon)"),
];
