//! GetMetricStatistics: one metric.

use super::{CloudWatch, metric, period, statistic};
use crate::http::Caller;
use crate::models::cloudwatch::{Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput, faults};
use crate::wire::{Fault, Text, Timestamp};

pub fn call(
    service: &CloudWatch,
    caller: &Caller,
    input: GetMetricStatisticsInput,
) -> Result<GetMetricStatisticsOutput, Fault> {
    let wanted = input.statistics.as_deref().unwrap_or_default();
    if wanted.is_empty() {
        return Err(faults::INVALID_PARAMETER_COMBINATION_EXCEPTION
            .because("At least one of the parameters Statistics and ExtendedStatistics must be specified."));
    }
    let key = metric(caller, &input.namespace, &input.metric_name, input.dimensions.as_deref());
    let period = period(input.period)?;
    let (mut periods, unit) = service.metrics.statistics(&key, input.start_time.0, input.end_time.0, period);
    if input.unit.is_some_and(|wanted| unit.as_deref() != Some(&*wanted)) {
        periods.clear();
    }
    let unit = Text::from(unit.as_deref().unwrap_or("None"));
    let mut datapoints = Vec::new();
    for (moment, values) in periods {
        let one = |name: &str| match wanted.iter().any(|wanted| wanted.as_str() == name) {
            true => statistic(&values, name).map(Some),
            false => Ok(None),
        };
        datapoints.push(Datapoint {
            timestamp: Some(Timestamp(moment)),
            sample_count: one("SampleCount")?,
            average: one("Average")?,
            sum: one("Sum")?,
            minimum: one("Minimum")?,
            maximum: one("Maximum")?,
            unit: Some(unit.clone()),
        });
    }
    Ok(GetMetricStatisticsOutput { label: Some(input.metric_name), datapoints: Some(datapoints) })
}
