//! Prometheus: every metric on `/metrics`, under the names that YACE and cloudwatch_exporter give CloudWatch's.
//!
//! `AWS/Kinesis` `IncomingRecords` of the stream `orders` is
//! `aws_kinesis_incoming_records_sum{account_id="…",region="…",dimension_StreamName="orders"}` and likewise `_average`, `_minimum`,
//! `_maximum` and `_sample_count`: gauges of the last whole minute, so that boards made for those exporters go on. What counts
//! something is also a counter, `aws_kinesis_incoming_records_total`, that only grows while the server runs: `rate()` is for it.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_base::Clock;
use millrace_watch::{MINUTE_MS, Metrics, Stat, Total};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The text format that every scraper reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const GAUGES: [(&str, Stat); 5] = [
    ("sum", Stat::Sum),
    ("average", Stat::Average),
    ("minimum", Stat::Minimum),
    ("maximum", Stat::Maximum),
    ("sample_count", Stat::SampleCount),
];
/// Metrics in counts or bytes whose values are states, not events: adding them up says nothing.
const STATES: [&str; 9] = [
    "ClusterStatus.",
    "ConcurrentExecutions",
    "Nodes",
    "SearchableDocuments",
    "fullRestarts",
    "lastCheckpointSize",
    "numLateRecordsDropped",
    "numRestarts",
    "numberOfFailedCheckpoints",
];

/// The route `/metrics`.
pub fn router(metrics: Metrics, clock: Arc<dyn Clock>) -> Router {
    Router::new().route("/metrics", get(answer)).with_state((metrics, clock))
}

async fn answer(State((metrics, clock)): State<(Metrics, Arc<dyn Clock>)>) -> Response {
    // Many metrics are many look-ups, and some may be on disk.
    match tokio::task::spawn_blocking(move || exposition(&metrics, &*clock)).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(stopped) => {
            let message = format!("the metrics could not be written: {stopped}\n");
            (axum::http::StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

/// Metrics of one name.
struct Family {
    kind: &'static str,
    help: String,
    samples: String,
}

/// All metrics as text.
fn exposition(metrics: &Metrics, clock: &dyn Clock) -> String {
    let end = clock.now() - clock.now().rem_euclid(MINUTE_MS);
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for total in metrics.totals() {
        let base = name(&total);
        let labels = labels(&total);
        let of = format!("{} {}", total.key.namespace, total.key.name);
        if is_counter(&total) {
            let help = format!("{of}, all since the server started ({})", total.unit);
            add(&mut families, format!("{base}_total"), "counter", help, &labels, total.statistics.sum);
        }
        let minute = metrics.summaries(&total.key, Some(&total.unit), end - MINUTE_MS..end, MINUTE_MS);
        let Some((_, values)) = minute.first() else { continue };
        for (suffix, stat) in GAUGES {
            let Some(value) = stat.of(values) else { continue };
            let help = format!("{of}, {stat} of the last whole minute ({})", total.unit);
            add(&mut families, format!("{base}_{suffix}"), "gauge", help, &labels, value);
        }
    }
    let mut text = String::new();
    for (name, Family { kind, help, samples }) in families {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
    }
    text
}

fn add(
    families: &mut BTreeMap<String, Family>,
    name: String,
    kind: &'static str,
    help: String,
    labels: &str,
    value: f64,
) {
    let line = format!("{name}{{{labels}}} {value}\n");
    let family = families.entry(name).or_insert_with(|| Family { kind, help, samples: String::new() });
    family.samples.push_str(&line);
}

/// Counts and bytes of the pipeline's own metrics. Whether a user's metric counts something nobody knows.
fn is_counter(total: &Total) -> bool {
    let name = &*total.key.name;
    let is_state = name.starts_with("ApproximateNumberOf") || STATES.iter().any(|state| name.starts_with(state));
    let is_own = ["AWS/", "Millrace/"].iter().any(|own| total.key.namespace.starts_with(own));
    is_own && matches!(&*total.unit, "Count" | "Bytes") && !is_state
}

/// `aws_kinesis_incoming_records`.
fn name(total: &Total) -> String {
    let namespace = snake(&total.key.namespace);
    let prefix = if namespace.starts_with("aws") { "" } else { "aws_" };
    format!("{prefix}{namespace}_{}", snake(&total.key.name))
}

fn labels(total: &Total) -> String {
    let key = &total.key;
    let mut labels =
        format!("account_id=\"{}\",region=\"{}\"", escaped(&key.scope.account), escaped(&key.scope.region));
    for (name, value) in &key.dimensions {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        let name: String = name.chars().map(letter).collect();
        let _ = write!(labels, ",dimension_{name}=\"{}\"", escaped(value));
    }
    // Series of one metric in two units would be one to Prometheus.
    if &*total.unit != "None" {
        let _ = write!(labels, ",unit=\"{}\"", escaped(&total.unit));
    }
    labels
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// `GetRecords.IteratorAgeMilliseconds` → `get_records_iterator_age_milliseconds`; `AWS/Kinesis` → `aws_kinesis`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut made = String::new();
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            if !made.ends_with('_') && !made.is_empty() {
                made.push('_');
            }
            continue;
        }
        let before = at.checked_sub(1).map(|at| letters[at]);
        let begins = letter.is_ascii_uppercase()
            && (before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit())
                || (before.is_some_and(|before| before.is_ascii_uppercase())
                    && letters.get(at + 1).is_some_and(char::is_ascii_lowercase)));
        if begins && !made.ends_with('_') {
            made.push('_');
        }
        made.push(letter.to_ascii_lowercase());
    }
    made.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_exporters() {
        let cases = [
            ("AWS/Kinesis", "aws_kinesis"),
            ("IncomingRecords", "incoming_records"),
            ("GetRecords.IteratorAgeMilliseconds", "get_records_iterator_age_milliseconds"),
            ("DeliveryToS3.DataFreshness", "delivery_to_s3_data_freshness"),
            ("ClusterStatus.green", "cluster_status_green"),
            ("CPUUtilization", "cpu_utilization"),
            ("2xx", "2xx"),
            ("My Metric!", "my_metric"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake(name), expected, "{name}");
        }
    }
}
