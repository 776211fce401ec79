//! PutMetricData: values, several values with counts, or statistics.

use super::{CloudWatch, metric};
use crate::http::Caller;
use crate::models::cloudwatch::{MetricDatum, PutMetricDataInput, faults};
use crate::wire::{Fault, kinds};
use millrace_watch::Statistics;

/// Seconds: the resolution of what is kept.
const RESOLUTION: i32 = 60;

pub fn call(service: &CloudWatch, caller: &Caller, input: PutMetricDataInput) -> Result<(), Fault> {
    if input.namespace.starts_with("AWS/") {
        return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because("The value AWS/ for parameter Namespace is invalid: it is reserved for AWS's own metrics."));
    }
    let data = input.metric_data.unwrap_or_default();
    let all: Vec<_> = data.iter().map(values).collect::<Result<_, _>>()?;
    let now = service.clock.now();
    for (datum, values) in data.iter().zip(all) {
        let key = metric(caller, &input.namespace, &datum.metric_name, datum.dimensions.as_deref());
        let moment = datum.timestamp.map_or(now, |moment| moment.0);
        let mut kept = true;
        for values in values {
            kept &= service.metrics.add(&key, datum.unit.as_deref(), moment, values);
        }
        if !kept {
            return Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
                "The value of {} cannot be kept: it is older than three hours, or there are too many metrics.",
                datum.metric_name
            )));
        }
    }
    Ok(())
}

/// The statistics that a datum gives.
fn values(datum: &MetricDatum) -> Result<Vec<Statistics>, Fault> {
    if datum.storage_resolution.is_some_and(|resolution| resolution != RESOLUTION) {
        return Err(
            kinds::UNSUPPORTED.because("Millrace does not support StorageResolution 1 yet: leave it out or say 60.")
        );
    }
    let wrong = |what: &str| {
        Err(faults::INVALID_PARAMETER_COMBINATION_EXCEPTION.because(format!("{}: {what}", datum.metric_name)))
    };
    match (datum.value, &datum.values, &datum.statistic_values) {
        (Some(value), None, None) => Ok(vec![Statistics::of(value)]),
        (None, None, Some(set)) => {
            Ok(vec![Statistics { count: set.sample_count, sum: set.sum, min: set.minimum, max: set.maximum }])
        }
        (None, Some(values), None) => {
            let ones = vec![1.0; values.len()];
            let counts = datum.counts.as_ref().unwrap_or(&ones);
            if counts.len() != values.len() {
                return wrong("Values and Counts must have the same length.");
            }
            let repeated = values.iter().zip(counts).map(|(value, count)| Statistics {
                count: *count,
                sum: value * count,
                min: *value,
                max: *value,
            });
            Ok(repeated.collect())
        }
        _ => wrong("exactly one of Value, Values and StatisticValues must be given."),
    }
}
