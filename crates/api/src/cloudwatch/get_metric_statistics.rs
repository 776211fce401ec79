//! GetMetricStatistics: one metric. Values in several units are told apart, as AWS does.

use super::{CloudWatch, metric, moment, period, statistic};
use crate::http::Caller;
use crate::models::cloudwatch::{Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput, faults};
use crate::wire::{Fault, Text, Timestamp};
use millrace_base::Millis;
use millrace_watch::{Stat, Summary};

/// AWS's ceiling of one answer.
const DATAPOINTS_MAX: Millis = 1440;

/// What is asked of each period.
struct Asked {
    statistics: Vec<Text>,
    extended: Vec<(Text, Stat)>,
}

pub fn call(
    service: &CloudWatch,
    caller: &Caller,
    input: GetMetricStatisticsInput,
) -> Result<GetMetricStatisticsOutput, Fault> {
    let asked = asked(&input)?;
    let period = period(input.period)?;
    let (start, end) = (moment(input.start_time), moment(input.end_time));
    if start >= end {
        return Err(faults::INVALID_PARAMETER_COMBINATION_EXCEPTION
            .because("The parameter StartTime must be less than the parameter EndTime."));
    }
    let count = end.saturating_sub(start).div_euclid(period);
    if count > DATAPOINTS_MAX {
        return Err(faults::INVALID_PARAMETER_COMBINATION_EXCEPTION.because(format!(
            "You have requested up to {count} datapoints, which exceeds the limit of {DATAPOINTS_MAX}. You may reduce the \
             datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let key = metric(caller, &input.namespace, &input.metric_name, input.dimensions.as_deref());
    let mut datapoints = Vec::new();
    for unit in service.metrics.units(&key) {
        if input.unit.as_ref().is_some_and(|wanted| **wanted != *unit) {
            continue;
        }
        let periods = service.metrics.summaries(&key, Some(&unit), start..end, period);
        datapoints.extend(periods.iter().map(|(moment, values)| asked.datapoint(*moment, values, &unit)));
    }
    datapoints.sort_by_key(|datapoint| datapoint.timestamp.as_ref().map(|moment| moment.0));
    Ok(GetMetricStatisticsOutput { label: Some(input.metric_name), datapoints: Some(datapoints) })
}

fn asked(input: &GetMetricStatisticsInput) -> Result<Asked, Fault> {
    let statistics = input.statistics.clone().unwrap_or_default();
    let extended = input.extended_statistics.as_deref().unwrap_or_default();
    if statistics.is_empty() && extended.is_empty() {
        return Err(faults::INVALID_PARAMETER_COMBINATION_EXCEPTION
            .because("At least one of the parameters Statistics and ExtendedStatistics must be specified."));
    }
    let read = |name: &Text| Ok((name.clone(), statistic(name)?));
    Ok(Asked { statistics, extended: extended.iter().map(read).collect::<Result<_, Fault>>()? })
}

impl Asked {
    fn datapoint(&self, moment: Millis, values: &Summary, unit: &str) -> Datapoint {
        let one = |stat: Stat| {
            let is_asked = self.statistics.iter().any(|name| **name == *format!("{stat:?}"));
            if is_asked { stat.of(values) } else { None }
        };
        let extended = self.extended.iter().filter_map(|(name, stat)| Some((name.clone(), stat.of(values)?)));
        Datapoint {
            timestamp: Some(Timestamp(moment)),
            sample_count: one(Stat::SampleCount),
            average: one(Stat::Average),
            sum: one(Stat::Sum),
            minimum: one(Stat::Minimum),
            maximum: one(Stat::Maximum),
            unit: Some(unit.into()),
            extended_statistics: (!self.extended.is_empty()).then(|| extended.collect()),
        }
    }
}
