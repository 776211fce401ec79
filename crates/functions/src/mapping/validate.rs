//! From a request to a definition: AWS's defaults, rules and words.

use super::MappingError;
use super::definition::{DestinationConfig, Request, Settings, SourceKind, StartingPosition};
use super::filter::Filters;
use crate::{FunctionKey, FunctionRef, FunctionsError};
use millrace_base::{Arn, Millis, Scope};

/// AWS's ranges (its service model).
const BATCH_SIZE_MAX: i64 = 10_000;
const FIFO_BATCH_SIZE_MAX: usize = 10;
const BATCHING_WINDOW_SECS_MAX: i64 = 300;
const PARALLELIZATION_MAX: i64 = 10;
const TUMBLING_WINDOW_SECS_MAX: i64 = 900;
const RETRY_ATTEMPTS_MAX: i64 = 10_000;
const RECORD_AGE_SECS_MIN: i64 = 60;
const RECORD_AGE_SECS_MAX: i64 = 604_800;
const CONCURRENCY_MIN: i64 = 2;
const CONCURRENCY_MAX: i64 = 1_000;
/// From this batch size on a queue's mapping needs a batching window.
const WINDOWLESS_BATCH_SIZE_MAX: usize = 10;

/// Refuses the members of sources that Millrace has not.
pub(crate) fn refuse_others(request: &Request) -> Result<(), MappingError> {
    let is_set = |value: &serde_json::Value| !value.is_null() && value.as_str() != Some("");
    match request.other.iter().find(|(_, value)| is_set(value)) {
        Some((name, _)) => Err(MappingError::Unsupported(format!(
            "Millrace does not support {name} of event source mappings yet: docs/compat/lambda-mappings.md lists what it does."
        ))),
        None => Ok(()),
    }
}

/// The kind of source that an ARN names, by its service alone.
pub(crate) fn source_kind(source: &Arn) -> Result<SourceKind, MappingError> {
    match &*source.service {
        "kinesis" if source.resource.starts_with("stream/") => Ok(SourceKind::Kinesis),
        "sqs" => Ok(SourceKind::Queue { fifo: source.resource.ends_with(".fifo") }),
        "dynamodb" | "kafka" | "mq" | "rds" => Err(MappingError::Unsupported(format!(
            "Millrace does not support {} as an event source yet: docs/compat/lambda-mappings.md lists what it does.",
            source.service
        ))),
        _ => Err(MappingError::invalid("Unrecognized event source.")),
    }
}

/// The function that a request names, and the version or alias of it.
pub(crate) fn function(scope: &Scope, name: &str) -> Result<(FunctionKey, Option<String>), MappingError> {
    match FunctionRef::parse(scope, name, None) {
        Ok(found) => Ok((found.key, found.qualifier)),
        Err(FunctionsError::Validation(message)) => Err(MappingError::Validation(message)),
        Err(FunctionsError::InvalidParameterValue(message)) => Err(MappingError::invalid(message)),
        Err(_) => Err(MappingError::invalid("Function does not exist")),
    }
}

/// Where a new mapping begins.
pub(crate) fn starting_position(
    request: &Request,
    kind: SourceKind,
    now: Millis,
) -> Result<Option<StartingPosition>, MappingError> {
    let (position, timestamp) = (request.starting_position.as_deref(), request.starting_position_timestamp);
    if let SourceKind::Queue { .. } = kind {
        return match (position, timestamp) {
            (None, None) => Ok(None),
            _ => Err(MappingError::invalid("StartingPosition is not valid for SQS event sources.")),
        };
    }
    if position != Some("AT_TIMESTAMP") && timestamp.is_some() {
        return Err(MappingError::invalid("Timestamp only valid with StartingPosition AT_TIMESTAMP"));
    }
    match (position, timestamp) {
        (Some("TRIM_HORIZON"), _) => Ok(Some(StartingPosition::TrimHorizon)),
        (Some("LATEST"), _) => Ok(Some(StartingPosition::Latest)),
        (Some("AT_TIMESTAMP"), None) => {
            Err(MappingError::invalid("StartingPositionTimestamp is required for StartingPosition AT_TIMESTAMP"))
        }
        (Some("AT_TIMESTAMP"), Some(secs)) if secs < 0.0 => Err(MappingError::invalid(
            "Received Exception while reading from provided stream. class java.lang.Long can not be converted to a Timestamp",
        )),
        (Some("AT_TIMESTAMP"), Some(secs)) => {
            let at = (secs * 1000.0).round() as Millis;
            if at > now {
                return Err(MappingError::invalid("StartingPositionTimestamp cannot be in the future"));
            }
            Ok(Some(StartingPosition::AtTimestamp(at)))
        }
        (Some(other), _) => Err(MappingError::Validation(format!(
            "Value '{other}' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: \
             [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"
        ))),
        (None, _) => Err(MappingError::invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be \
             null.",
        )),
    }
}

/// AWS's defaults for a new mapping.
pub(crate) fn defaults(kind: SourceKind, function: FunctionKey, qualifier: Option<String>) -> Settings {
    let batch_size = if kind == SourceKind::Kinesis { 100 } else { 10 };
    Settings {
        function,
        qualifier,
        batch_size,
        batching_window_secs: 0,
        parallelization_factor: 1,
        tumbling_window_secs: 0,
        retry_attempts_max: -1,
        record_age_secs_max: -1,
        bisects: false,
        reports_item_failures: false,
        on_failure: None,
        filter_criteria: None,
        concurrency_max: None,
        metrics: Vec::new(),
    }
}

/// Applies what a request sets, and checks the result.
pub(crate) fn apply(request: &Request, kind: SourceKind, settings: &mut Settings) -> Result<(), MappingError> {
    if let Some(size) = within("batchSize", request.batch_size, 1, BATCH_SIZE_MAX)? {
        settings.batch_size = size as usize;
    }
    let window = request.maximum_batching_window_in_seconds;
    if let Some(secs) = within("maximumBatchingWindowInSeconds", window, 0, BATCHING_WINDOW_SECS_MAX)? {
        settings.batching_window_secs = secs as u32;
    }
    if let Some(types) = &request.function_response_types {
        if let Some(other) = types.iter().find(|kind| *kind != "ReportBatchItemFailures") {
            return Err(MappingError::Validation(format!(
                "Value '[{other}]' at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy constraint: \
                 [Member must satisfy enum value set: [ReportBatchItemFailures]]"
            )));
        }
        settings.reports_item_failures = !types.is_empty();
    }
    if let Some(criteria) = &request.filter_criteria {
        Filters::parse(criteria)?;
        settings.filter_criteria = Some(criteria.clone()).filter(|criteria| !criteria.filters.is_empty());
    }
    if let Some(config) = &request.metrics_config {
        if config.metrics.iter().any(|metric| metric != "EventCount") {
            return Err(MappingError::invalid(
                "Only EventCount metrics are supported for event source mappings of this type.",
            ));
        }
        settings.metrics = config.metrics.clone();
    }
    match kind {
        SourceKind::Kinesis => apply_stream(request, settings),
        SourceKind::Queue { fifo } => apply_queue(request, fifo, settings),
    }
}

fn apply_stream(request: &Request, settings: &mut Settings) -> Result<(), MappingError> {
    refuse(request.scaling_config.is_some(), "ScalingConfig")?;
    if let Some(lanes) = within("parallelizationFactor", request.parallelization_factor, 1, PARALLELIZATION_MAX)? {
        settings.parallelization_factor = lanes as usize;
    }
    let window = request.tumbling_window_in_seconds;
    if let Some(secs) = within("tumblingWindowInSeconds", window, 0, TUMBLING_WINDOW_SECS_MAX)? {
        settings.tumbling_window_secs = secs as u32;
    }
    let retries = request.maximum_retry_attempts;
    if let Some(retries) = within("maximumRetryAttempts", retries, -1, RETRY_ATTEMPTS_MAX)? {
        settings.retry_attempts_max = retries;
    }
    let age = request.maximum_record_age_in_seconds;
    if let Some(age) = within("maximumRecordAgeInSeconds", age, -1, RECORD_AGE_SECS_MAX)? {
        if (0..RECORD_AGE_SECS_MIN).contains(&age) {
            return Err(MappingError::invalid(
                "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)",
            ));
        }
        settings.record_age_secs_max = age;
    }
    if let Some(bisects) = request.bisect_batch_on_function_error {
        settings.bisects = bisects;
    }
    if let Some(config) = &request.destination_config {
        settings.on_failure = on_failure(config)?;
    }
    if settings.tumbling_window_secs > 0 && settings.parallelization_factor > 1 {
        return Err(MappingError::Unsupported(
            "Millrace does not support TumblingWindowInSeconds with a ParallelizationFactor above 1 yet: set one of them to \
             its default."
                .to_owned(),
        ));
    }
    Ok(())
}

fn apply_queue(request: &Request, fifo: bool, settings: &mut Settings) -> Result<(), MappingError> {
    refuse(request.parallelization_factor.is_some(), "ParallelizationFactor")?;
    refuse(request.tumbling_window_in_seconds.is_some(), "TumblingWindowInSeconds")?;
    refuse(request.maximum_retry_attempts.is_some(), "MaximumRetryAttempts")?;
    refuse(request.maximum_record_age_in_seconds.is_some(), "MaximumRecordAgeInSeconds")?;
    refuse(request.bisect_batch_on_function_error.is_some(), "BisectBatchOnFunctionError")?;
    let has_destination = |config: &DestinationConfig| config.on_failure.is_some() || config.on_success.is_some();
    refuse(request.destination_config.as_ref().is_some_and(has_destination), "DestinationConfig")?;
    if let Some(config) = &request.scaling_config {
        let concurrency = within("maximumConcurrency", config.maximum_concurrency, CONCURRENCY_MIN, CONCURRENCY_MAX)?;
        settings.concurrency_max = concurrency.map(|concurrency| concurrency as usize);
    }
    if fifo && settings.batch_size > FIFO_BATCH_SIZE_MAX {
        return Err(MappingError::invalid("Batch size must not exceed 10 for FIFO queues"));
    }
    if fifo && settings.batching_window_secs > 0 {
        return Err(MappingError::invalid("Batching window is not supported for FIFO queues"));
    }
    if settings.batch_size > WINDOWLESS_BATCH_SIZE_MAX && settings.batching_window_secs == 0 {
        return Err(MappingError::invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}

/// The destination for what is given up.
fn on_failure(config: &DestinationConfig) -> Result<Option<String>, MappingError> {
    let target = |target: &Option<super::definition::DestinationTarget>| {
        target.as_ref().and_then(|target| target.destination.clone()).filter(|arn| !arn.is_empty())
    };
    refuse(target(&config.on_success).is_some(), "DestinationConfig")?;
    let Some(text) = target(&config.on_failure) else { return Ok(None) };
    let invalid = |why: &str| {
        MappingError::invalid(format!(
            "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination={text})) is invalid: {why}"
        ))
    };
    let arn: Arn = text.parse().map_err(|error| invalid(&format!("{error}")))?;
    match &*arn.service {
        "sqs" | "sns" if arn.resource.ends_with(".fifo") => Err(invalid("FIFO queues and topics are not supported.")),
        "sqs" | "sns" | "s3" => Ok(Some(text)),
        _ => Err(invalid("the destination must be an SQS queue, an SNS topic or an S3 bucket.")),
    }
}

fn refuse(is_set: bool, parameter: &str) -> Result<(), MappingError> {
    if is_set {
        return Err(MappingError::invalid(format!(
            "Unsupported {parameter} parameter for given event source mapping type."
        )));
    }
    Ok(())
}

/// A number within its range, in the words of AWS's model validation.
fn within(name: &str, value: Option<i64>, min: i64, max: i64) -> Result<Option<i64>, MappingError> {
    let constraint = match value {
        Some(value) if value < min => format!("greater than or equal to {min}"),
        Some(value) if value > max => format!("less than or equal to {max}"),
        _ => return Ok(value),
    };
    Err(MappingError::Validation(format!(
        "Value '{}' at '{name}' failed to satisfy constraint: Member must have value {constraint}",
        value.unwrap_or_default()
    )))
}
