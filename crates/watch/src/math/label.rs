//! What series are called: labels with values in them, such as `[max: ${MAX}] ${PROP('Dim.StreamName')}`.

use super::value::TimeSeries;
use crate::metrics::MetricKey;
use millrace_base::Millis;
use millrace_base::calendar::{DAY_MS, date_of};

/// What labels are written with.
#[derive(Debug, Clone, Copy)]
pub struct Labels {
    /// Now, for `${LAST_TIME_RELATIVE}`.
    pub now: Millis,
    /// The time zone of times, as its distance from UTC.
    pub offset_ms: Millis,
}

/// Labels that tell metrics apart: what differs among them of namespace, name and dimensions.
pub(super) fn distinct(keys: &[MetricKey]) -> Vec<String> {
    let Some(first) = keys.first() else { return Vec::new() };
    let differs = |of: &dyn Fn(&MetricKey) -> String| keys.iter().any(|key| of(key) != of(first));
    let has_names = differs(&|key| key.name.to_string());
    let has_dimensions = differs(&|key| format!("{:?}", key.dimensions));
    let has_namespaces = differs(&|key| key.namespace.to_string());
    let label = |key: &MetricKey| {
        let mut parts: Vec<&str> = Vec::new();
        if has_namespaces {
            parts.push(&key.namespace);
        }
        if has_dimensions {
            parts.extend(key.dimensions.iter().map(|(_, value)| &**value));
        }
        if has_names || parts.is_empty() {
            parts.push(&key.name);
        }
        parts.join(" ")
    };
    keys.iter().map(label).collect()
}

impl Labels {
    /// A label with its variables replaced. What is no variable stays as it is.
    pub(super) fn render(&self, template: &str, series: &TimeSeries) -> String {
        let mut made = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            made.push_str(&rest[..start]);
            let Some(len) = rest[start..].find('}') else { break };
            let whole = &rest[start..=start + len];
            match self.variable(&whole[2..whole.len() - 1], series) {
                Some(value) => made.push_str(&value),
                None => made.push_str(whole),
            }
            rest = &rest[start + len + 1..];
        }
        made.push_str(rest);
        made
    }

    fn variable(&self, name: &str, series: &TimeSeries) -> Option<String> {
        if let Some(property) = name.strip_prefix("PROP('").and_then(|rest| rest.strip_suffix("')")) {
            return property_of(property, series);
        }
        if name == "LABEL" {
            return Some(series.label.clone());
        }
        let points = &series.points;
        let by_value = |left: &&(Millis, f64), right: &&(Millis, f64)| left.1.total_cmp(&right.1);
        let sum: f64 = series.values().sum();
        // Without points there is nothing to say.
        let (first, last) = (points.first()?, points.last()?);
        let (min, max) = (points.iter().min_by(by_value)?, points.iter().max_by(by_value)?);
        let count = points.len() as f64;
        Some(match name {
            "AVG" => number(sum / count),
            "DATAPOINT_COUNT" => number(count),
            "FIRST" => number(first.1),
            "FIRST_LAST_RANGE" => number(last.1 - first.1),
            "FIRST_LAST_TIME_RANGE" => span(last.0 - first.0),
            "FIRST_TIME" => self.time(first.0),
            "FIRST_TIME_RELATIVE" => span(self.now - first.0),
            "LAST" => number(last.1),
            "LAST_TIME" => self.time(last.0),
            "LAST_TIME_RELATIVE" => span(self.now - last.0),
            "MAX" => number(max.1),
            "MAX_TIME" => self.time(max.0),
            "MAX_TIME_RELATIVE" => span(self.now - max.0),
            "MIN" => number(min.1),
            "MIN_MAX_RANGE" => number(max.1 - min.1),
            "MIN_MAX_TIME_RANGE" => span(max.0 - min.0),
            "MIN_TIME" => self.time(min.0),
            "MIN_TIME_RELATIVE" => span(self.now - min.0),
            "SUM" => number(sum),
            _ => return None,
        })
    }

    fn time(&self, moment: Millis) -> String {
        let local = moment + self.offset_ms;
        let (year, month, date) = date_of(local.div_euclid(DAY_MS));
        let second = local.rem_euclid(DAY_MS) / 1000;
        let minutes = self.offset_ms.abs() / 60_000;
        let zone = match self.offset_ms {
            0 => "Z".to_owned(),
            offset => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60),
        };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}{zone}")
    }
}

fn property_of(property: &str, series: &TimeSeries) -> Option<String> {
    let (key, stat) = series.metric.as_ref()?;
    Some(match property {
        "AccountId" => key.scope.account.to_string(),
        "Region" => key.scope.region.to_string(),
        "MetricName" => key.name.to_string(),
        "Namespace" => key.namespace.to_string(),
        "Period" => (series.period_ms / 1000).to_string(),
        "Stat" => stat.to_string(),
        other => {
            let wanted = other.strip_prefix("Dim.")?;
            key.dimensions.iter().find(|(name, _)| **name == *wanted)?.1.to_string()
        }
    })
}

/// At most three digits behind the point.
fn number(value: f64) -> String {
    ((value * 1000.0).round() / 1000.0).to_string()
}

/// `2d 3h`, `5m 10s`: the two largest parts.
fn span(ms: Millis) -> String {
    let seconds = ms.abs() / 1000;
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts: Vec<String> = parts
        .into_iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}
