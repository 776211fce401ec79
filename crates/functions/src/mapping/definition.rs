//! A mapping as the catalog keeps it, and the requests that make and change one, in AWS's words.

use super::status::PROBLEM;
use crate::FunctionKey;
use millrace_base::{Arn, Millis, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `CreateEventSourceMapping` and `UpdateEventSourceMapping`; what is absent stays as it is or takes AWS's default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    pub(crate) event_source_arn: Option<String>,
    pub(crate) function_name: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) batch_size: Option<i64>,
    pub(crate) filter_criteria: Option<FilterCriteria>,
    pub(crate) metrics_config: Option<MetricsConfig>,
    pub(crate) scaling_config: Option<ScalingConfig>,
    pub(crate) maximum_batching_window_in_seconds: Option<i64>,
    pub(crate) parallelization_factor: Option<i64>,
    pub(crate) starting_position: Option<String>,
    pub(crate) starting_position_timestamp: Option<f64>,
    pub(crate) destination_config: Option<DestinationConfig>,
    pub(crate) maximum_record_age_in_seconds: Option<i64>,
    pub(crate) bisect_batch_on_function_error: Option<bool>,
    pub(crate) maximum_retry_attempts: Option<i64>,
    pub(crate) tumbling_window_in_seconds: Option<i64>,
    pub(crate) function_response_types: Option<Vec<String>>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// Of an update: part of its path.
    #[serde(rename = "UUID")]
    pub(crate) uuid: Option<String>,
    /// Members that other kinds of sources have.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// `FilterCriteria`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FilterCriteria {
    #[serde(default)]
    pub(crate) filters: Vec<Filter>,
}

/// `Filter`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    pub(crate) pattern: Option<String>,
}

/// `MetricsConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MetricsConfig {
    #[serde(default)]
    pub(crate) metrics: Vec<String>,
}

/// `ScalingConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScalingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_concurrency: Option<i64>,
}

/// `DestinationConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DestinationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_success: Option<DestinationTarget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_failure: Option<DestinationTarget>,
}

/// `OnFailure` and `OnSuccess`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DestinationTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<String>,
}

/// What a mapping reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SourceKind {
    /// A Kinesis stream, or a consumer of one.
    Kinesis,
    /// An SQS queue.
    Queue {
        /// A FIFO queue.
        fifo: bool,
    },
}

/// Where a stream is read from at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartingPosition {
    /// The oldest record there is.
    TrimHorizon,
    /// Records that became durable after the mapping was created.
    Latest,
    /// Records that arrived then or later.
    AtTimestamp(Millis),
}

/// What can be changed while a mapping runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) function: FunctionKey,
    pub(crate) qualifier: Option<String>,
    pub(crate) batch_size: usize,
    pub(crate) batching_window_secs: u32,
    pub(crate) parallelization_factor: usize,
    pub(crate) tumbling_window_secs: u32,
    /// −1 is without end.
    pub(crate) retry_attempts_max: i64,
    /// −1 is without end.
    pub(crate) record_age_secs_max: i64,
    pub(crate) bisects: bool,
    pub(crate) reports_item_failures: bool,
    pub(crate) on_failure: Option<String>,
    pub(crate) filter_criteria: Option<FilterCriteria>,
    pub(crate) concurrency_max: Option<usize>,
    pub(crate) metrics: Vec<String>,
}

impl Settings {
    /// Without end, or so many.
    pub(crate) fn retries_max(&self) -> Option<u32> {
        u32::try_from(self.retry_attempts_max).ok()
    }

    /// How old a record may be.
    pub(crate) fn age_max(&self) -> Option<Millis> {
        (self.record_age_secs_max >= 0).then(|| self.record_age_secs_max * 1000)
    }

    /// The function's ARN, with the qualifier if there is one.
    pub(crate) fn function_arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.function.arn()),
            None => self.function.arn().to_string(),
        }
    }

    pub(crate) fn counts_events(&self) -> bool {
        self.metrics.iter().any(|metric| metric == "EventCount")
    }
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    pub(crate) uuid: String,
    pub(crate) scope: Scope,
    pub(crate) kind: SourceKind,
    pub(crate) source_arn: String,
    pub(crate) starting_position: Option<StartingPosition>,
    pub(crate) enabled: bool,
    pub(crate) last_modified: Millis,
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Mapping {
    /// `arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:UUID`.
    pub(crate) fn arn(&self) -> Arn {
        self.scope.arn("lambda", &format!("event-source-mapping:{}", self.uuid))
    }

    /// The `EventSourceMappingConfiguration` of AWS's answers; moments are seconds.
    pub(crate) fn describe(&self, state: &str, last_result: &str) -> Value {
        let settings = &self.settings;
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("UUID", json!(self.uuid));
        put("BatchSize", json!(settings.batch_size));
        put("MaximumBatchingWindowInSeconds", json!(settings.batching_window_secs));
        put("EventSourceArn", json!(self.source_arn));
        if let Some(criteria) = &settings.filter_criteria {
            put("FilterCriteria", json!(criteria));
        }
        put("FunctionArn", json!(settings.function_arn()));
        put("LastModified", json!(self.last_modified as f64 / 1000.0));
        put("State", json!(state));
        let types: &[&str] = if settings.reports_item_failures { &["ReportBatchItemFailures"] } else { &[] };
        put("FunctionResponseTypes", json!(types));
        put("EventSourceMappingArn", json!(self.arn().to_string()));
        if !settings.metrics.is_empty() {
            put("MetricsConfig", json!({ "Metrics": settings.metrics }));
        }
        match self.kind {
            SourceKind::Kinesis => {
                put("StateTransitionReason", json!("User action"));
                put("LastProcessingResult", json!(last_result));
                self.describe_stream(&mut members);
            }
            SourceKind::Queue { .. } => {
                put("StateTransitionReason", json!("USER_INITIATED"));
                // AWS does not show the field for queues; a mapping that is stuck has to say why.
                if last_result.starts_with(PROBLEM) {
                    put("LastProcessingResult", json!(last_result));
                }
                if let Some(concurrency) = settings.concurrency_max {
                    put("ScalingConfig", json!({ "MaximumConcurrency": concurrency }));
                }
            }
        }
        Value::Object(members)
    }

    fn describe_stream(&self, members: &mut Map<String, Value>) {
        let settings = &self.settings;
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        let (position, timestamp) = match self.starting_position {
            Some(StartingPosition::TrimHorizon) | None => ("TRIM_HORIZON", None),
            Some(StartingPosition::Latest) => ("LATEST", None),
            Some(StartingPosition::AtTimestamp(at)) => ("AT_TIMESTAMP", Some(at)),
        };
        put("StartingPosition", json!(position));
        if let Some(at) = timestamp {
            put("StartingPositionTimestamp", json!(at as f64 / 1000.0));
        }
        let target = DestinationTarget { destination: settings.on_failure.clone() };
        put("DestinationConfig", json!({ "OnFailure": target }));
        put("ParallelizationFactor", json!(settings.parallelization_factor));
        put("TumblingWindowInSeconds", json!(settings.tumbling_window_secs));
        put("MaximumRetryAttempts", json!(settings.retry_attempts_max));
        put("MaximumRecordAgeInSeconds", json!(settings.record_age_secs_max));
        put("BisectBatchOnFunctionError", json!(settings.bisects));
    }
}
