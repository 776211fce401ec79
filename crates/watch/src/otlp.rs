//! Metrics as OpenTelemetry's, in OTLP's JSON: the shapes that CloudWatch's own metric streams send.
//!
//! Each metric of the last whole minute is a summary named `amazonaws.com/NAMESPACE/NAME`, with the count, the sum, and the
//! smallest and the largest value as the quantiles 0 and 1. Source: the user guide's "CloudWatch metric stream output in
//! OpenTelemetry format" (1.0.0); attributes `Namespace`, `MetricName` and `Dimensions`.

use crate::metrics::{MINUTE_MS, Metrics, Summary, Total};
use millrace_base::{Millis, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The body of a request to `/v1/metrics` with the metrics of the minute before the one of `now`; none when there were none.
pub fn metrics_request(metrics: &Metrics, now: Millis) -> Option<Value> {
    let end = now - now.rem_euclid(MINUTE_MS);
    let start = end - MINUTE_MS;
    let mut by_scope: BTreeMap<Scope, Vec<Value>> = BTreeMap::new();
    for total in metrics.totals().iter().filter(|total| total.last >= start) {
        let minute = metrics.summaries(&total.key, Some(&total.unit), start..end, MINUTE_MS);
        let found = minute.iter().find(|(moment, _)| *moment == start);
        if let Some((_, values)) = found {
            by_scope.entry(total.key.scope.clone()).or_default().push(metric(total, values, start, end));
        }
    }
    let resource = |(scope, metrics): (Scope, Vec<Value>)| {
        let attributes = json!([
            text("service.name", "millrace"),
            text("cloud.provider", "aws"),
            text("cloud.account.id", &scope.account),
            text("cloud.region", &scope.region),
        ]);
        let library = json!({"name": "millrace", "version": env!("CARGO_PKG_VERSION")});
        json!({
            "resource": {"attributes": attributes},
            "scopeMetrics": [{"scope": library, "metrics": metrics}],
        })
    };
    let resources: Vec<Value> = by_scope.into_iter().map(resource).collect();
    (!resources.is_empty()).then(|| json!({"resourceMetrics": resources}))
}

fn metric(total: &Total, values: &Summary, start: Millis, end: Millis) -> Value {
    let (key, statistics) = (&total.key, &values.statistics);
    let dimensions: Vec<Value> = key.dimensions.iter().map(|(name, value)| text(name, value)).collect();
    let nanos = |moment: Millis| (moment * 1_000_000).to_string();
    json!({
        "name": format!("amazonaws.com/{}/{}", key.namespace, key.name),
        "unit": unit(&total.unit),
        "summary": {"dataPoints": [{
            "attributes": [
                text("Namespace", &key.namespace),
                text("MetricName", &key.name),
                {"key": "Dimensions", "value": {"kvlistValue": {"values": dimensions}}},
            ],
            "startTimeUnixNano": nanos(start),
            "timeUnixNano": nanos(end),
            "count": format!("{:.0}", statistics.count),
            "sum": statistics.sum,
            "quantileValues": [
                {"quantile": 0.0, "value": statistics.min},
                {"quantile": 1.0, "value": statistics.max},
            ],
        }]},
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// CloudWatch's unit as UCUM writes it, as metric streams do.
fn unit(unit: &str) -> String {
    match unit {
        "None" => "1".to_owned(),
        "Count" => "{Count}".to_owned(),
        "Seconds" => "s".to_owned(),
        "Milliseconds" => "ms".to_owned(),
        "Microseconds" => "us".to_owned(),
        "Bytes" => "By".to_owned(),
        "Percent" => "%".to_owned(),
        "Count/Second" => "{Count}/s".to_owned(),
        "Bytes/Second" => "By/s".to_owned(),
        other => format!("{{{other}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MetricKey;
    use millrace_testkit::SimClock;
    use std::sync::Arc;

    #[test]
    fn the_last_minute_is_a_summary() {
        let clock = Arc::new(SimClock::at(600_000));
        let metrics = Metrics::new(clock.clone());
        let key = MetricKey::new(&Scope::default(), "AWS/Kinesis", "IncomingRecords", [("StreamName", "orders")]);
        metrics.count(&key, "Count", 2.0);
        metrics.count(&key, "Count", 5.0);
        assert_eq!(metrics_request(&metrics, 630_000), None);
        clock.advance(MINUTE_MS);
        let request = metrics_request(&metrics, 660_000).unwrap();
        let metric = &request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        assert_eq!(metric["name"], "amazonaws.com/AWS/Kinesis/IncomingRecords");
        assert_eq!(metric["unit"], "{Count}");
        let point = &metric["summary"]["dataPoints"][0];
        assert_eq!((&point["count"], &point["sum"]), (&json!("2"), &json!(7.0)));
        assert_eq!(point["quantileValues"], json!([{"quantile": 0.0, "value": 2.0}, {"quantile": 1.0, "value": 5.0}]));
        assert_eq!(point["startTimeUnixNano"], "600000000000");
        assert_eq!(point["attributes"][2]["value"]["kvlistValue"]["values"][0]["key"], "StreamName");
        clock.advance(2 * MINUTE_MS);
        assert_eq!(metrics_request(&metrics, 780_000), None);
    }
}
